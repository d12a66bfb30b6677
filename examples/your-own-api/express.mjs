// A protected API with Express and the guard.
import { randomUUID } from 'node:crypto';
import express from 'express';
import { createGuard } from 'gatehouse/guard';

const { GATEHOUSE_URL: url, GATEHOUSE_SERVICE_KEY: serviceKey, PORT } = process.env;
// Without onProblem, nobody hears of a refused service key: every request only gets 503.
const onProblem = ({ message }) => console.error(message);
const guard = createGuard({ url, serviceKey, onProblem });
const { requirePermission, consumeStepUp } = guard.express;

/** Writes an event into the audit log. Returns whether Gatehouse has stored it. */
async function record(req, action, details) {
  const { tenantId, staffId } = guard.principalOf(req);
  const event = { action, tenant: tenantId, actor: { staffId }, address: req.ip, details };
  try {
    const answer = await fetch(`${url}/api/audit/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${serviceKey}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
      },
      body: JSON.stringify({ events: [event] }),
      signal: AbortSignal.timeout(5000),
    });
    return answer.ok;
  } catch {
    return false;
  }
}

const app = express();
app.use(express.json());

app.get('/projects', requirePermission('app:projects.view'), (req, res) => {
  res.json({ tenant: guard.principalOf(req).tenant, projects: [] });
});

app.delete(
  '/projects/:id',
  requirePermission('app:projects.delete'),
  // The proof counts for this request only. It is the last guard, because it uses the proof up.
  consumeStepUp('app:delete_project'),
  async (req, res) => {
    // First the event: nothing is deleted without one.
    if (!(await record(req, 'app.project.deleted', { project: req.params.id }))) {
      return res.status(503).json({ error: 'NOT_RECORDED', status: 503 });
    }
    return res.sendStatus(204);
  },
);

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
