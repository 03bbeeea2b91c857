import { gzipSync } from 'node:zlib';
import { type Answer, content, type Fault, json, type LoggedRequest } from './upstream-answers.ts';

type Predicate = (request: LoggedRequest) => boolean;

/** Only for requests like this: `GET /v2/a/blobs/`. */
export function on(call: string | RegExp, fault: Fault): Fault {
  const matches: Predicate = ({ method, path }) =>
    typeof call === 'string' ? `${method} ${path}`.startsWith(call) : call.test(`${method} ${path}`);
  return async (request, next) => (matches(request) ? await fault(request, next) : await next());
}

/** Only for the first so many requests that come to it. */
export function times(count: number, fault: Fault): Fault {
  let left = count;
  return async (request, next) => {
    left -= 1;
    return left >= 0 ? await fault(request, next) : await next();
  };
}

/** Waits before the status line. */
export function delayed(wait: () => Promise<void>): Fault {
  return async (_, next) => {
    await wait();
    return await next();
  };
}

/** Another answer, with the specification's error body. */
export function failing(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  code = 'UNKNOWN',
): Fault {
  return () => json({ errors: [{ code, message: `fault ${status}` }] }, status, headers);
}

/** A web page where JSON is expected. */
export function html(status = 200): Fault {
  return () => content('<!doctype html><p>Welcome', 'text/html; charset=utf-8', {}, status);
}

/** Adds headers, replaces them, and leaves out those that are undefined. Names as the answer has them. */
export function headers(changes: Readonly<Record<string, string | undefined>>): Fault {
  return async (_, next) => {
    const answer = await next();
    const merged = Object.entries({ ...answer.headers, ...changes });
    return {
      ...answer,
      headers: Object.fromEntries(
        merged.filter((entry): entry is [string, string] => entry[1] !== undefined),
      ),
    };
  };
}

/** No Content-Length: chunked, and none at all for a HEAD. */
export const chunked = headers({ 'Content-Length': undefined });

/** A body changed on its way. */
export function bodied(change: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>): Fault {
  return async (_, next) => {
    const answer = await next();
    return { ...answer, body: change(toAsync(answer)) };
  };
}

/** The connection breaks off after so many bytes of the body. */
export function cutAfter(bytes: number): Fault {
  return bodied(async function* (body) {
    yield* first(body, bytes);
    throw new Error('cut');
  });
}

/** After so many bytes nothing more comes until the gate opens. */
export function stalledAfter(bytes: number, wait: () => Promise<void>): Fault {
  return bodied(async function* (body) {
    let sent = 0;
    for await (const chunk of body) {
      const now = chunk.subarray(0, Math.max(0, bytes - sent));
      if (now.length > 0) yield now;
      if (now.length < chunk.length) await wait();
      if (now.length < chunk.length) yield chunk.subarray(now.length);
      sent += chunk.length;
    }
  });
}

/** The first byte is another than it should be. */
export const wrongBytes = bodied(async function* (body) {
  let at = 0;
  for await (const chunk of body) {
    yield at === 0 ? Uint8Array.from(chunk, (byte, index) => (index === 0 ? byte ^ 1 : byte)) : chunk;
    at += chunk.length;
  }
});

/** Answers the whole, whatever part was asked for. */
export const rangeIgnored: Fault = async (request, next) => {
  delete request.headers.range;
  return await next();
};

/** Compressed though identity was asked for. */
export const gzipped: Fault = async (_, next) => {
  const answer = await next();
  const bytes = gzipSync(Buffer.concat(await Array.fromAsync(toAsync(answer))));
  return {
    status: answer.status,
    headers: { ...answer.headers, 'Content-Encoding': 'gzip', 'Content-Length': String(bytes.length) },
    body: [bytes],
  };
};

/** To the same path elsewhere, or to the place that is named. */
export function redirected(to: string | ((request: LoggedRequest) => string), status = 307): Fault {
  return (request) => {
    const location = typeof to === 'string' ? `${to}${request.path}${request.query}` : to(request);
    return { status, headers: { Location: location, 'Content-Length': '0' } };
  };
}

/** As S3: a signed URL and an Authorization header are one too many. */
export const rejectsAuthorization: Fault = async ({ headers: { authorization } }, next) =>
  authorization === undefined
    ? await next()
    : content('<Error>Only one auth mechanism allowed', 'text/xml', {}, 400);

/** Wants this user and password. */
export function basicAuth(username: string, password: string): Fault {
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  return async ({ headers: { authorization } }, next) =>
    authorization === expected ? await next() : unauthorized('Basic realm="fake"');
}

/** Wants a token of the realm that reaches to the repository; see `fake-token-server.ts`. */
export function bearerAuth(realm: string, accepts: (token: string, repository: string) => boolean): Fault {
  return async ({ headers: { authorization = '' }, path }, next) => {
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(path)?.[1] ?? '';
    if (authorization.startsWith('Bearer ') && accepts(authorization.slice(7), repository))
      return await next();
    return unauthorized(`Bearer realm="${realm}",service="fake",scope="repository:${repository}:pull"`);
  };
}

function unauthorized(challenge: string): Answer {
  const errors = [{ code: 'UNAUTHORIZED', message: 'authentication required' }];
  return json({ errors }, 401, { 'WWW-Authenticate': challenge });
}

async function* toAsync({ body = [] }: Answer): AsyncGenerator<Uint8Array> {
  yield* body;
}

async function* first(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const chunk of body) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
