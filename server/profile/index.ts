export { emailRoutes } from './emailRoutes';
export { profileRoutes } from './routes';
