import { key } from './key.ts';
import { choice, duration, group, httpUrl, list, pattern, secretKeys } from './values.ts';

const events = ['push', 'pull', 'delete', 'mount', 'fill', 'evict', 'moved'] as const;

export const notificationsSchema = group({
  endpoints: key(
    'Who is told',
    list(
      group({
        url: key('Where events are sent', httpUrl()),
        ...secretKeys('secret', 'Secret of the signature'),
        events: key('Which events', list(choice(events)).prefault([...events])),
      }),
    ).prefault([]),
  ),
  incoming: key(
    'What registries tell us: POST /v2/webhooks/events',
    group({
      ...secretKeys('secret', 'Secret of the signature'),
      do: key('revalidate or prefetch', choice(['revalidate', 'prefetch']).prefault('revalidate')),
    }).optional(),
  ),
});

export const catalogSyncSchema = group({
  every: key('How often', duration({ min: '1s' })),
  repositories: key('Globs of repositories', list(pattern())),
});
