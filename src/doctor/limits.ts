import type { WireAnswer } from '../net/wire-event.ts';

/** What an answer says of how often we may ask. Docker Hub tells it with each manifest: `ratelimit-remaining: 76;w=21600`. */
export function limitsIn({ headers }: WireAnswer): string[] {
  const { 'ratelimit-limit': limit, 'ratelimit-remaining': remaining, 'retry-after': after } = headers;
  const [count, window] = numbersIn(limit);
  const [left] = numbersIn(remaining);
  return [
    ...(left === undefined
      ? []
      : [`quota: ${left} of ${count ?? '?'} left${window ? ` per ${window} s` : ''}`]),
    ...(after === undefined || !/^[\w ,:]{1,40}$/.test(after)
      ? []
      : [`retry after ${after}${/^\d+$/.test(after) ? ' s' : ''}`]),
  ];
}

function numbersIn(header = ''): string[] {
  return header.slice(0, 100).match(/\d+/g) ?? [];
}
