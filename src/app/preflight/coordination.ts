import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import { faultOfRedisUrl } from '../redis-url.ts';

/** What its client would make of the URL of Redis. */
export function coordinationProblems({ storage: { coordination } }: Config): readonly Problem[] {
  const { kind, url, urlFile } = coordination;
  const fault = kind === 'redis' && url !== undefined ? faultOfRedisUrl(url.reveal()) : undefined;
  if (fault === undefined) return [];
  const key = urlFile === '' ? 'urlFromEnv' : 'urlFile';
  return [{ path: ['storage', 'coordination', key], message: `the URL ${fault}`, at: 'value' }];
}
