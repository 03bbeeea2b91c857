import { distinctEndpoints, withSecret } from './cross-checks.ts';
import { key } from './key.ts';
import { choice, duration, group, hookUrl, list, pattern, secretKeys, timeout } from './values.ts';

const events = ['push', 'pull', 'delete', 'mount', 'fill', 'evict', 'moved', 'gone'] as const;
/** Of pulls there are as many as clients ask: whoever wants them says so. */
const usual = events.filter((event) => event !== 'pull');

export const notificationsSchema = group({
  endpoints: key(
    'Who is told',
    distinctEndpoints(
      list(
        group({
          url: key('Where events are sent; redirects are not followed', hookUrl()),
          ...secretKeys('secret', 'Secret of the signature; none is no signature'),
          events: key('Which events', list(choice(events)).prefault(usual)),
          timeout: key('How long an answer may take', timeout('100ms').prefault('10s')),
        }),
      ),
    ).prefault([]),
  ),
  incoming: key(
    'What registries tell us: POST /v2/webhooks/events',
    withSecret(
      group({
        ...secretKeys('secret', 'Secret of the signature, or the bearer token'),
        do: key(
          'Of a tag that is told of: revalidate (ask its registry, if it is cached) or prefetch (bring it with all that belongs to it)',
          choice(['revalidate', 'prefetch']).prefault('revalidate'),
        ),
      }),
    ).optional(),
  ),
});

export const catalogSyncSchema = group({
  every: key('From the end of one comparison to the next', duration({ min: '1m' })),
  repositories: key('Globs of cached repositories', list(pattern())),
});
