import { createServer } from 'node:net';
import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import { codeOf, doorOf, listeningProblem } from '../cannot-listen.ts';
import type { Findings } from './findings.ts';

/** Listens for a moment where the server would. That somebody else does so already is most often the server itself. */
export async function listeningFindings(config: Config): Promise<Findings> {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const asides = (['health', 'metrics'] as const).filter((key) => config[key] !== 0);
  for (const key of ['port', ...asides, ...config.listeners.keys()] as const) {
    const { host, port } = doorOf(key, config);
    const code = await failureToListen(host, port);
    if (code === undefined) continue;
    (code === 'EADDRINUSE' ? warnings : problems).push(listeningProblem(key, code, config));
  }
  return { problems, warnings };
}

/** The system's code; undefined: it can be done. */
async function failureToListen(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', (error) => resolve(codeOf(error)));
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });
}
