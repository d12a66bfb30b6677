/**
 * The columns of the tables that are read, as the migrations make them: type, collation, nullability and default. The
 * form is that which Postgres prints with only the catalogue on the search path. For `tenants`, only the columns that
 * name a log are listed.
 */
export const READ_COLUMNS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  audit_logs: {
    action: 'text not null',
    actor: 'text not null',
    correlation_id: 'text not null',
    country: 'character(2)',
    details: "jsonb not null default '{}'::jsonb",
    id: 'uuid not null default public.gatehouse_uuid_v7()',
    ip: 'text',
    occurred_at: 'timestamp(3) with time zone not null default clock_timestamp()',
    on_behalf_of: 'uuid',
    outcome: 'public.audit_outcome not null',
    session_id: 'uuid',
    subject: 'text',
    tenant_id: 'uuid',
    transaction_id: 'xid8 not null default pg_current_xact_id()',
    user_agent: 'text',
  },
  audit_leaves: {
    event_id: 'uuid not null',
    leaf_hash: 'bytea not null',
    leaf_index: 'bigint not null',
    log_id: 'uuid not null',
    sealed_at: 'timestamp(3) with time zone not null',
  },
  audit_nodes: {
    hash: 'bytea not null',
    level: 'smallint not null',
    log_id: 'uuid not null',
    node_index: 'bigint not null',
  },
  audit_trees: {
    checkpoint_size: 'bigint not null default 0',
    log_id: 'uuid not null',
    peaks: 'bytea not null',
    size: 'bigint not null default 0',
    tenant_id: 'uuid',
  },
  audit_checkpoints: {
    id: 'bigint not null generated always as identity',
    log_id: 'uuid not null',
    note: 'text not null',
    root_hash: 'bytea not null',
    signed_at: 'timestamp(3) with time zone not null default clock_timestamp()',
    size: 'bigint not null',
  },
  audit_sealer: {
    only: 'boolean not null default true',
    after_id: 'uuid',
    after_transaction: 'xid8',
    cluster: 'text not null',
    sealed: 'pg_snapshot not null',
    target: 'pg_snapshot',
    target_at: 'timestamp(3) with time zone',
  },
  evidence_keys: {
    first_used_at: 'timestamp(3) with time zone not null default clock_timestamp()',
    key_id: 'text not null',
    public_key: 'text not null',
  },
  tenants: {
    id: 'uuid not null default public.gatehouse_uuid_v7()',
    slug: 'text not null',
  },
};
