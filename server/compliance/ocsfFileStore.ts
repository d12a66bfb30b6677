import { ocsfLine } from '../audit';
import type { ExportFile } from './copyStore';
import { SECURITY_EVENTS } from './eventFileStore';

/**
 * Returns the file of the security events as lines of OCSF.
 * @param release the release that writes them
 */
export const ocsfFile = (release: string): ExportFile => ({
  ...SECURITY_EVENTS,
  line: ocsfLine(release),
});
