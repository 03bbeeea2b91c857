import express, { type Express, type RequestHandler } from 'express';

/** Why this process should get no new clients; undefined: it may. */
export type Readiness = () => Promise<string | undefined>;

/** `/health` as the original has it, and what Kubernetes asks: `/livez`, `/readyz`. On a port of its own. */
export function createHealth(readiness: Readiness): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get(['/health', '/livez'], alive);
  app.get('/readyz', async (_request, response) => {
    const reason = await readiness().catch(() => 'the index cannot be read');
    if (reason === undefined) response.json({ status: 'ready' });
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
