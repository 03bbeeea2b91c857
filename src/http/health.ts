import type { Express, RequestHandler } from 'express';
import { application } from './application.ts';

/** May this process get new clients? */
interface Condition {
  /** Why not; undefined: it may. */
  readonly reason?: string | undefined;
  /** What an operator should see to all the same. */
  readonly warning?: string | undefined;
}

export type Readiness = () => Promise<Condition>;

/** `/health` as the original has it, and what Kubernetes asks: `/livez`, `/readyz`. On a port of its own. */
export function createHealth(readiness: Readiness): Express {
  const app = application();
  app.get(['/health', '/livez'], alive);
  app.get('/readyz', async (_request, response) => {
    const unreadable = { reason: 'the index cannot be read' };
    const { reason, warning }: Condition = await readiness().catch(() => unreadable);
    if (reason === undefined) response.json({ status: 'ready', warning });
    else response.status(503).json({ status: 'not ready', reason });
  });
  app.use((_request, response) => {
    response.status(404).json({ message: 'no such page; here are /health, /livez and /readyz' });
  });
  return app;
}

const alive: RequestHandler = (_request, response) => {
  response.json({ status: 'ok' });
};
