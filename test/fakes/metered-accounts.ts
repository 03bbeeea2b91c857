import { secret } from './secrets.ts';
import { type Fault, json } from './upstream-answers.ts';
import { failing } from './upstream-faults.ts';

interface Meter {
  readonly limit: number;
  remaining: number;
  /** In place of five minutes that a quota of zero asks for. */
  readonly retryAfter?: string;
}

/** Who an Authorization header is; undefined for nobody. */
type UserOf = (authorization: string) => string | undefined;

/** A registry that counts the pulls of each account as Docker Hub does: GETs of manifests, told with each answer about one. */
export class MeteredAccounts {
  readonly #meters: Readonly<Record<string, Meter>>;
  readonly #userOf: UserOf;
  /** `alice GET manifests/v1`, in turn, whatever was answered. */
  readonly calls: string[] = [];

  constructor(meters: Readonly<Record<string, Meter>>, userOf: UserOf = basicUser) {
    this.#meters = meters;
    this.#userOf = userOf;
  }

  readonly fault: Fault = async (request, next) => {
    const user = this.#userOf(request.headers.authorization ?? '') ?? '';
    this.calls.push(`${user} ${request.method} ${request.path.split('/').slice(-2).join('/')}`);
    const meter = this.#meters[user];
    if (meter === undefined || !request.path.includes('/manifests/')) return await next();
    const isPull = request.method === 'GET';
    const { limit, retryAfter } = meter;
    if (isPull && meter.remaining === 0) {
      const more = retryAfter === undefined ? {} : { 'Retry-After': retryAfter };
      const errors = [{ code: 'TOOMANYREQUESTS', message: `pull rate limit of ${user}` }];
      return json({ errors }, 429, { ...told(limit, 0), ...more });
    }
    if (isPull) meter.remaining -= 1;
    const answer = await next();
    return { ...answer, headers: { ...answer.headers, ...told(limit, meter.remaining) } };
  };

  /** Of the calls the users alone. */
  get users(): string[] {
    return this.calls.map((call) => call.split(' ')[0] ?? '');
  }
}

function told(limit: number, remaining: number): Record<string, string> {
  return { 'RateLimit-Limit': `${limit};w=21600`, 'RateLimit-Remaining': `${remaining};w=21600` };
}

export function basicUser(authorization: string): string | undefined {
  const [, text = ''] = /^Basic (.*)$/.exec(authorization) ?? [];
  return Buffer.from(text, 'base64').toString('utf8').split(':')[0];
}

export const rightPassword = secret('right');

/** Takes any user with the right password. */
export const knowsPasswords: Fault = async (request, next) => {
  const text = Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString();
  const challenge = { 'WWW-Authenticate': 'Basic realm="fake"' };
  return text.endsWith(`:${rightPassword}`) ? await next() : await failing(401, challenge)(request, next);
};
