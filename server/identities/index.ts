export { describeLink, endLinks } from './endLinks';
export { endAllLinks, insertLink, listLinks, useLink } from './linkStore';
export type { LinkRow } from './linkStore';
