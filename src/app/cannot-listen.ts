import type { Problem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';

/** Keys that hold a port. */
export type PortKey = 'port' | 'health' | 'metrics';

/** The server cannot listen where it should: at which key, and why. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
  readonly problem: Problem;

  constructor(key: PortKey, config: Config, cause: Error) {
    const problem = listeningProblem(key, codeOf(cause), config);
    super(`${String(problem.path[0])}: ${problem.message}`, { cause });
    this.problem = problem;
  }
}

/** Of the system's code for it. */
export function listeningProblem(key: PortKey, code: string, { host, [key]: port }: Config): Problem {
  const quoted = JSON.stringify(host);
  switch (code) {
    case 'EADDRINUSE':
      return {
        path: [key],
        message: `${port} is in use on ${host}: by a server that runs already?`,
        at: 'value',
      };
    case 'EACCES':
      return {
        path: [key],
        message: `${port} may not be listened on by this user: take one from 1024 on, or give the process CAP_NET_BIND_SERVICE`,
        at: 'value',
      };
    case 'EADDRNOTAVAIL':
      return { path: ['host'], message: `${quoted} is no address of this machine`, at: 'value' };
    case 'ENOTFOUND':
      return { path: ['host'], message: `${quoted} is a name that is not known here`, at: 'value' };
    default:
      return { path: ['host'], message: `${quoted} cannot be listened on (${code})`, at: 'value' };
  }
}

export function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}
