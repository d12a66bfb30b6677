export { appEventRoutes } from './appEventRoutes';
export { declareEventTypes, withdrawOneEventType } from './declareEventTypes';
export { EventTypesFileError, readEventTypesFile } from './eventTypeInput';
export { listEventTypes } from './eventTypeStore';
export { purgeEventBatches } from './reportEventStore';
