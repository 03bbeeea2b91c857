import { createServer } from 'node:net';
import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';

interface Findings {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Listens for a moment where the server would. That somebody else does so already is most often the server itself. */
export async function listeningFindings(config: Config): Promise<Findings> {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  for (const key of ['port', 'health', 'metrics'] as const) {
    if (key !== 'port' && config[key] === 0) continue;
    const code = await failureToListen(config.host, config[key]);
    if (code === undefined) continue;
    if (code === 'EADDRINUSE') warnings.push(inUse(key, config));
    else problems.push(noListening(key, code, config));
  }
  return { problems, warnings };
}

function inUse(key: 'port' | 'health' | 'metrics', config: Config): Problem {
  const message = `${config[key]} is in use on ${config.host}: by a server that runs already?`;
  return { path: [key], message, at: 'value' };
}

function noListening(key: 'port' | 'health' | 'metrics', code: string, config: Config): Problem {
  const quoted = JSON.stringify(config.host);
  switch (code) {
    case 'EACCES':
      return { path: [key], message: `${config[key]} may not be listened on by this user`, at: 'value' };
    case 'EADDRNOTAVAIL':
      return { path: ['host'], message: `${quoted} is no address of this machine`, at: 'value' };
    case 'ENOTFOUND':
      return { path: ['host'], message: `${quoted} is a name that is not known here`, at: 'value' };
    default:
      return { path: ['host'], message: `${quoted} cannot be listened on (${code})`, at: 'value' };
  }
}

/** The system's code; undefined: it can be done. */
async function failureToListen(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });
}
