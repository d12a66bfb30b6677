import { z } from 'zod';

// Strict, so that a setting of the example that the stand-in does not know fails.

const typed = <Shape extends z.ZodRawShape>(type: string, shape: Shape) =>
  z.strictObject({ '@type': z.literal(`type.googleapis.com/envoy.${type}`), ...shape });

const matcher = z.strictObject({ exact: z.string().optional(), prefix: z.string().optional() });
const patterns = z.strictObject({ patterns: z.array(matcher) });
const header = z.strictObject({ key: z.string(), value: z.string() });

const mutation = z.strictObject({
  remove: z.string().optional(),
  append: z
    .strictObject({
      header,
      append_action: z
        .enum(['APPEND_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS_OR_ADD'])
        .default('APPEND_IF_EXISTS_OR_ADD'),
    })
    .optional(),
});

const route = z.strictObject({
  match: z.strictObject({
    prefix: z.string().optional(),
    safe_regex: z.strictObject({ regex: z.string() }).optional(),
  }),
  route: z.strictObject({ cluster: z.string() }).optional(),
  direct_response: z.strictObject({ status: z.int() }).optional(),
  typed_per_filter_config: z
    .strictObject({
      'envoy.filters.http.ext_authz': typed(
        'extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute',
        { disabled: z.boolean() },
      ).optional(),
      'envoy.filters.http.header_mutation': typed(
        'extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
        { mutations: z.strictObject({ request_mutations: z.array(mutation) }) },
      ).optional(),
    })
    .optional(),
});

const authz = typed('extensions.filters.http.ext_authz.v3.ExtAuthz', {
  transport_api_version: z.literal('V3'),
  failure_mode_allow: z.boolean(),
  status_on_error: z.strictObject({ code: z.string() }).optional(),
  allowed_headers: patterns,
  http_service: z.strictObject({
    server_uri: z.strictObject({
      uri: z.string(),
      cluster: z.string(),
      timeout: z.string().regex(/^[\d.]+s$/),
    }),
    path_prefix: z.string(),
    authorization_request: z.strictObject({ headers_to_add: z.array(header) }),
    authorization_response: z.strictObject({
      allowed_upstream_headers: patterns,
      allowed_client_headers: patterns,
    }),
  }),
});

const early = z.strictObject({
  name: z.literal('envoy.http.early_header_mutation.header_mutation'),
  typed_config: typed('extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', {
    mutations: z.array(mutation),
  }),
});

/** The order is that in which they run. */
const filters = z.tuple([
  z.strictObject({
    name: z.literal('envoy.filters.http.header_mutation'),
    typed_config: typed('extensions.filters.http.header_mutation.v3.HeaderMutation', {}),
  }),
  z.strictObject({ name: z.literal('envoy.filters.http.ext_authz'), typed_config: authz }),
  z.strictObject({
    name: z.literal('envoy.filters.http.router'),
    typed_config: typed('extensions.filters.http.router.v3.Router', {}),
  }),
]);

const manager = typed(
  'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  {
    stat_prefix: z.string(),
    use_remote_address: z.literal(true),
    normalize_path: z.boolean().default(false),
    merge_slashes: z.boolean().default(false),
    path_with_escaped_slashes_action: z.string().optional(),
    common_http_protocol_options: z.strictObject({
      headers_with_underscores_action: z.string().optional(),
    }),
    early_header_mutation_extensions: z.tuple([early]),
    route_config: z.strictObject({
      name: z.string(),
      request_headers_to_remove: z.array(z.string()),
      virtual_hosts: z.tuple([
        z.strictObject({
          name: z.string(),
          domains: z.tuple([z.literal('*')]),
          routes: z.array(route),
        }),
      ]),
    }),
    http_filters: filters,
  },
);

const listener = z.object({
  filter_chains: z.tuple([
    z.object({
      filters: z.tuple([
        z.object({
          name: z.literal('envoy.filters.network.http_connection_manager'),
          typed_config: manager,
        }),
      ]),
    }),
  ]),
});

const socket = z.object({
  socket_address: z.object({ address: z.string(), port_value: z.int() }),
});
const cluster = z.object({
  name: z.string(),
  load_assignment: z.object({
    endpoints: z.tuple([
      z.object({
        lb_endpoints: z.tuple([z.object({ endpoint: z.object({ address: socket }) })]),
      }),
    ]),
  }),
});

const envoy = z.strictObject({
  static_resources: z.strictObject({
    listeners: z.tuple([listener]),
    clusters: z.array(cluster),
  }),
});

export type Matcher = z.output<typeof matcher>;
export type Mutation = z.output<typeof mutation>;
export type RouteConfig = z.output<typeof route>;

/** The parts of Envoy's configuration that the stand-in acts on. */
export interface EnvoyFile {
  manager: z.output<typeof manager>;
  /** What every request loses before a route is chosen. */
  early: readonly Mutation[];
  routes: readonly RouteConfig[];
  authz: z.output<typeof authz>;
  /** The headers that the API does not get. */
  removed: readonly string[];
  /** The origin of each cluster. */
  clusters: Readonly<Record<string, string>>;
}

/** Reads Envoy's configuration. @throws ZodError if it has a setting that the stand-in ignores */
export function readEnvoy(written: unknown): EnvoyFile {
  const { listeners, clusters } = envoy.parse(written).static_resources;
  const { typed_config: read } = listeners[0].filter_chains[0].filters[0];
  const { virtual_hosts: hosts, request_headers_to_remove: removed } = read.route_config;
  const origins = clusters.map(({ name, load_assignment: { endpoints } }) => {
    const { socket_address: at } = endpoints[0].lb_endpoints[0].endpoint.address;
    return [name, `http://${at.address}:${at.port_value}`];
  });
  return {
    manager: read,
    early: read.early_header_mutation_extensions[0].typed_config.mutations,
    routes: hosts[0].routes,
    authz: read.http_filters[1].typed_config,
    removed,
    clusters: Object.fromEntries(origins) as Record<string, string>,
  };
}
