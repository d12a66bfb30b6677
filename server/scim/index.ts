export { scimRoutes } from './scimRoutes';
