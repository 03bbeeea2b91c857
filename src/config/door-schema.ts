import * as z from 'zod';
import { hostedNames, ofAUser, onlyFiles, withDirectory, withPassword } from './cross-checks.ts';
import { key } from './key.ts';
import {
  addressBlock,
  bindAddress,
  choice,
  duration,
  flag,
  group,
  list,
  pattern,
  port,
  secretKeys,
  text,
  whole,
} from './values.ts';

/** Who may come in. All of it but `admin`, `hosted` and listeners of files is not built, and stops the start (schema.ts says so at the groups). */

const actions = () => list(choice(['pull', 'push', 'delete']));
const repositories = () => list(pattern());

export const adminSchema = ofAUser(
  withPassword(
    group({
      user: key('User of the admin calls', text().prefault('')),
      ...secretKeys('password', 'Password of the admin calls'),
      ...secretKeys('token', 'Bearer token of the admin calls'),
    }),
  ),
);

const who = z.union(
  [
    z.literal('anyone'),
    group({ user: key('User', text({ min: 1 })) }),
    group({ group: key('Group', text({ min: 1 })) }),
    group({ cidr: key('Block of addresses', addressBlock()) }),
  ],
  { error: 'must be anyone, or a mapping with one of user, group and cidr' },
);

export const accessSchema = list(
  group({
    name: key('Name of the rule, for the log', text({ min: 1 })),
    who: key('Whom it is about', who),
    repositories: key('Globs of repositories', repositories()),
    actions: key('What they may do there', actions()),
  }),
);

export const policySchema = list(
  group({
    name: key('Name of the rule, for the log', text({ min: 1 })),
    repositories: key('Globs of repositories', repositories()),
    effect: key('allow or deny', choice(['allow', 'deny'])),
  }),
);

export const rateLimitSchema = group({
  requests: key('How many', whole(1, Number.MAX_SAFE_INTEGER)),
  per: key('In what time', duration({ min: '1s' })),
  window: key('sliding or fixed', choice(['sliding', 'fixed']).prefault('sliding')),
  by: key('Who is counted', choice(['client', 'user', 'address']).prefault('client')),
  onStoreError: key('When the counter cannot be reached', choice(['allow', 'deny']).prefault('allow')),
});

export const hostedSchema = list(
  hostedNames(
    group({
      repositories: key('Globs of names, without a host, that live here', repositories()),
      open: key('Anyone may push and delete; else nobody may', flag().prefault(false)),
      immutableTags: key('Globs of tags that are never moved, nor removed', list(pattern()).prefault([])),
      uploadExpiry: key(
        'When an unfinished upload is dropped, and a blob that no manifest names',
        duration({ min: '1m' }).prefault('24h'),
      ),
    }),
  ),
);

export const listenersSchema = list(
  withDirectory(
    group({
      host: key('Address to listen on', bindAddress().prefault('0.0.0.0')),
      port: key('Port to listen on; 0 is any', port()),
      serve: key('What is served there', onlyFiles(choice(['registry', 'token', 'files']))),
      directory: key('Directory of serve: files', text().prefault('')),
      tls: key(
        'Certificate and key; none is plain HTTP',
        group({
          cert: key('File of the certificate with its chain (PEM)', text({ min: 1 })),
          key: key('File of its key (PEM)', text({ min: 1 })),
        }).optional(),
      ),
      auth: key(
        'Which of auth are asked for',
        list(choice(['basic', 'tokenService', 'oauth', 'issuers'])).optional(),
        'refused',
      ),
      rateLimit: key('As rateLimit, for this listener', rateLimitSchema.optional(), 'refused'),
    }),
  ),
);
