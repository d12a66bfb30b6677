import { setting } from './copyStore';
import type { ExportFile } from './copyStore';

const TENANT = setting('tenant_id', 'uuid');

/** One entry a device: two authenticators are two chances to lose one. Codes on paper count as one. */
const FACTORS = `array_to_json(
      ARRAY(SELECT 'passkey' FROM passkeys p WHERE p.tenant_id = s.tenant_id AND p.staff_id = s.id)
      || ARRAY(SELECT 'totp' FROM user_totp t
               WHERE t.tenant_id = s.tenant_id AND t.staff_id = s.id AND t.confirmed_at IS NOT NULL)
      || CASE WHEN EXISTS (SELECT FROM recovery_codes r
               WHERE r.tenant_id = s.tenant_id AND r.staff_id = s.id AND r.used_at IS NULL)
         THEN ARRAY['recovery_code'] ELSE '{}' END)`;

export const ACCESS_REVIEW: ExportFile = {
  name: 'access-review',
  description:
    'Every staff member of the tenant, past ones included, as of the moment of the export, with permissions, second factors and the last sign-in.',
  population: { of: 'every staff member of this organisation', filter: 'none' },
  columns: [
    ['staff_id', 'token', 's.id'],
    ['email', 'text', 'u.email'],
    ['status', 'token', 's.status'],
    ['account_status', 'token', 'u.status'],
    [
      'permissions',
      'literal',
      `array_to_json(ARRAY(SELECT p FROM unnest(s.permissions) AS p ORDER BY p COLLATE "C"))`,
    ],
    ['factors', 'literal', FACTORS],
    ['created_at', 'instant', 's.created_at'],
    ['disabled_at', 'instant', 's.disabled_at'],
    ['last_sign_in_at', 'instant', 'l.last_sign_in_at'],
  ],
  from: `FROM tenant_staff s
  JOIN users u ON u.id = s.user_id
  LEFT JOIN (
    SELECT staff_id, max(created_at) AS last_sign_in_at
    FROM user_sessions WHERE tenant_id = ${TENANT} GROUP BY staff_id
  ) l ON l.staff_id = s.id
  WHERE s.tenant_id = ${TENANT}`,
  order: 's.created_at, s.id',
};
