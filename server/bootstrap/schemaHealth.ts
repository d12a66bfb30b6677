// The name that a team's own tests import.
export { schemaHealthCheck } from '../schema/guard/checkSchemaHealth';
