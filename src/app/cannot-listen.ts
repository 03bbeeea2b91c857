import { pathText } from '../config/path-text.ts';
import type { Problem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import type { Path } from '../config/schema-tree.ts';

/** Keys that hold a port, and a place in `listeners`. */
export type PortKey = 'port' | 'health' | 'metrics' | number;

/** The server cannot listen where it should: at which key, and why. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
  readonly problem: Problem;

  constructor(key: PortKey, config: Config, cause: Error) {
    const problem = listeningProblem(key, codeOf(cause), config);
    super(`${pathText(problem.path)}: ${problem.message}`, { cause });
    this.problem = problem;
  }
}

/** Where is to be listened, and by which keys. */
export function doorOf(
  key: PortKey,
  config: Config,
): { readonly host: string; readonly port: number; readonly hostAt: Path; readonly portAt: Path } {
  if (typeof key === 'string')
    return { host: config.host, port: config[key], hostAt: ['host'], portAt: [key] };
  const { host = '', port = 0 } = config.listeners[key] ?? {};
  return { host, port, hostAt: ['listeners', key, 'host'], portAt: ['listeners', key, 'port'] };
}

/** Of the system's code for it. */
export function listeningProblem(key: PortKey, code: string, config: Config): Problem {
  const { host, port, hostAt, portAt } = doorOf(key, config);
  const quoted = JSON.stringify(host);
  switch (code) {
    case 'EADDRINUSE':
      return {
        path: portAt,
        message: `${port} is in use on ${host}: by a server that runs already?`,
        at: 'value',
      };
    case 'EACCES':
      return {
        path: portAt,
        message: `${port} may not be listened on by this user: take one from 1024 on, or give the process CAP_NET_BIND_SERVICE`,
        at: 'value',
      };
    case 'EADDRNOTAVAIL':
      return { path: hostAt, message: `${quoted} is no address of this machine`, at: 'value' };
    case 'ENOTFOUND':
      return { path: hostAt, message: `${quoted} is a name that is not known here`, at: 'value' };
    default:
      return { path: hostAt, message: `${quoted} cannot be listened on (${code})`, at: 'value' };
  }
}

export function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}
