import type { Express } from 'express';
import type { Log } from '../base/log.ts';
import { application } from './application.ts';

/** What stands on the page. */
export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/** `/metrics` for Prometheus, on a port of its own. It holds no secret and names no repository and no client. */
export function createMetricsPage(source: MetricsSource, log: Log): Express {
  const app = application();
  app.get('/metrics', async (_request, response) => {
    try {
      const text = await source.text();
      response.type(source.contentType).send(text);
    } catch (error) {
      log.error({ err: error }, 'the metrics cannot be read');
      response.status(500).json({ message: 'the metrics cannot be read; the log says more' });
    }
  });
  app.all('/metrics', (_request, response) => {
    response.set('Allow', 'GET, HEAD').status(405).json({ message: 'only GET and HEAD' });
  });
  app.use((_request, response) => {
    response.status(404).json({ message: 'no such page; here is /metrics' });
  });
  return app;
}
