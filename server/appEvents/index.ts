export { appEventRoutes } from './appEventRoutes';
export { compareEventTypesFile } from './compareEventTypesFile';
export { declareEventTypes, withdrawOneEventType } from './declareEventTypes';
export { EventTypesFileError, readEventTypesFile } from './eventTypeInput';
export { listEventTypes } from './eventTypeStore';
export { purgeEventBatches } from './reportEventStore';
