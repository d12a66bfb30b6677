export { auditLogRoutes } from './auditLogRoutes';
export { complianceRoutes } from './routes';
