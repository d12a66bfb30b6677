import { z } from 'zod';
import { storableText } from '../http/routeTable';
import { appPurpose } from '../stepUpPurpose';
import { clientAddress, permissionName, windowSeconds } from './gatewayFields';

/** As many as the query of the other gateways can name. */
const MOST_PERMISSIONS = 20;

/** The headers by which Envoy's configuration says what a route needs. */
export const gatewayHeaders = z.strictObject({
  'x-gatehouse-service-key': z.string().describe('The service key of the gateway'),
  'x-gatehouse-client-address': clientAddress
    .optional()
    .describe('The address of the client, for API keys that only some addresses may use'),
  'x-gatehouse-permission': storableText(2000, 1, 'app:reports.read')
    .transform((text) => text.split(' '))
    .pipe(z.array(permissionName).max(MOST_PERMISSIONS))
    .optional()
    .describe('The permissions that are needed, with one space between; all of them'),
  'x-gatehouse-purpose': appPurpose
    .optional()
    .describe('A fresh step-up for this purpose is needed'),
  'x-gatehouse-window-sec': windowSeconds
    .optional()
    .describe('The greatest age of the step-up in seconds'),
});

/** Some servers read `X_Gatehouse_User` and `X.Gatehouse.User` as `X-Gatehouse-User`. */
const OURS = /^x[-_.]gatehouse/;

/**
 * Reads what a route needs. A header of ours that no configuration sets came from a client, and a
 * header that came twice came from both: the gateway did not remove what its client sent.
 * @param sent the headers by their names in lower case, with each of their values
 * @throws ZodError if there is such a header, or a value is not well formed
 */
export function readGatewayHeaders(sent: NodeJS.Dict<string[]>) {
  const ours = Object.entries(sent).filter(([name]) => OURS.test(name));
  return gatewayHeaders.parse(
    Object.fromEntries(
      ours.map(([name, values]) => [name, values?.length === 1 ? values[0] : values]),
    ),
  );
}
