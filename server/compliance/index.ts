export { auditLogRoutes } from './auditLogRoutes';
export { watchExports } from './endDeadExports';
export { complianceRoutes } from './routes';
