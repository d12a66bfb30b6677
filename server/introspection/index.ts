export { introspectionRoutes } from './introspectionRoutes';
