export { demoRoutes } from './routes';
export { startPageRoutes } from './startPage';
