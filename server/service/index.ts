export {
  createServiceKey,
  listServiceKeys,
  revokeServiceKey,
  rotateServiceKey,
  serviceKeyInput,
  serviceRotationInput,
} from './operateServiceKeys';
export { serviceRoutes } from './serviceRoutes';
