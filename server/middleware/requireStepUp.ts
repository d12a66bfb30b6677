// The name that a team's own routes and tests import.
export { requireStepUp } from '../http/requireStepUp';
