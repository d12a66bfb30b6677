import { pipeline } from 'node:stream/promises';
import { ocsfLine } from '../audit';
import type { RequestContext } from '../context';
import { fileName } from './copyStore';
import type { ExportFile } from './copyStore';
import { SECURITY_EVENTS } from './eventFileStore';
import type { ExportInput } from './exportInput';
import { holdBackEnd } from './holdBackEnd';
import { recordStream } from './recordStreams';
import { runExport } from './runExport';
import type { ExportDeps, ExportSink, Exporter } from './exportPlan';

const CONTENT_TYPES = {
  csv: 'text/csv; charset=utf-8',
  json: 'application/x-ndjson',
  ocsf: 'application/x-ndjson',
} as const;

/** The security events as lines of OCSF, with the release that writes them. */
const ocsfFile = (release: string): ExportFile => ({ ...SECURITY_EVENTS, line: ocsfLine(release) });

/**
 * Streams the security events of the caller's tenant: a filtered view of its audit log, as one file.
 * @param input UTC days, both included
 * @param sink receives type and name of the file once the first rows are certain
 * @returns when the export has ended; a destroyed output means that it failed
 * @throws AppError EXPORT_BUSY, AUDIT_LOG_BUSY, AUDIT_LOG_BROKEN; before the first byte also any error of the
 * database
 */
export async function exportSecurityEvents(
  deps: ExportDeps,
  ctx: RequestContext,
  exporter: Exporter,
  input: ExportInput,
  sink: ExportSink,
): Promise<void> {
  const { from, to, format } = input;
  const file = format === 'ocsf' ? ocsfFile(deps.config.version) : SECURITY_EVENTS;
  const suffix = fileName(file, format).slice(file.name.length);
  await runExport(deps, ctx, exporter, input, sink, {
    kind: 'security_events',
    files: [file],
    headers: ({ tenant }) => ({
      contentType: CONTENT_TYPES[format],
      filename: `security-events-${tenant.slug}-${from}-${to}${suffix}`,
    }),
    prepare: (snapshot) =>
      Promise.resolve(async ({ firstRows, seal }, output) => {
        const records = recordStream(format);
        const name = fileName(file, format);
        const end = holdBackEnd(output, async (bytes) => {
          await snapshot.close();
          await seal({ files: [{ name, rows: records.rows() }], bytes });
        });
        await pipeline(firstRows, records.stream, end, output);
      }),
  });
}
