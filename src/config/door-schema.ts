import * as z from 'zod';
import { credentialKinds } from './auth-schema.ts';
import { hostedNames, namesAlone, ofAUser, serverTls, withDirectory, withPassword } from './cross-checks.ts';
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

/** What clients may do, how often, and by which doors. Who they are: auth-schema.ts. */

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
    z.literal('anonymous'),
    group({ user: key('User', text({ min: 1 })) }),
    group({ group: key('Group', text({ min: 1 })) }),
    group({ certificate: key('Glob of names in the certificates of clients', pattern()) }),
    group({ cidr: key('Block of addresses', addressBlock()) }),
  ],
  { error: 'must be anyone, anonymous, or a mapping with one of user, group, certificate and cidr' },
);

export const accessSchema = list(
  namesAlone(
    group({
      name: key('Name of the rule, for the log and whoever is denied', text({ min: 1 })),
      who: key('Whom it is about: anyone, anonymous, or one of user, group, certificate and cidr', who),
      repositories: key('Globs of names; what lives here has no host', repositories()),
      actions: key('What they may do there: pull, push, delete; none is nothing', actions()),
    }),
  ),
);

export const policySchema = list(
  group({
    name: key('Name of the rule, for the log and whoever is denied', text({ min: 1 })),
    repositories: key('Globs of names, with a tag part behind a colon or without', repositories()),
    effect: key('allow or deny', choice(['allow', 'deny'])),
  }),
);

export const rateLimitSchema = group({
  requests: key('How many requests of one client', whole(1, 1_000_000_000)),
  per: key('In what time', duration({ min: '1s', max: '1d' })),
  window: key(
    'sliding: in any stretch of that time; fixed: in each minute (or other time) of the clock, so that twice as many may come around its turn',
    choice(['sliding', 'fixed']).prefault('sliding'),
  ),
  by: key(
    'Who is counted: client (by name, else by address), user (by name, others are not) or address',
    choice(['client', 'user', 'address']).prefault('client'),
  ),
  onStoreError: key(
    'When Redis, where several servers count together, cannot be reached: allow (each counts for itself meanwhile) or deny',
    choice(['allow', 'deny']).prefault('allow'),
  ),
});

export const hostedSchema = list(
  hostedNames(
    group({
      repositories: key('Globs of names, without a host, that live here', repositories()),
      open: key(
        'Anyone may push and delete, where neither access nor auth says who; else nobody may',
        flag().prefault(false),
      ),
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
      serve: key(
        'registry, token (where tokens are had, and nothing else) or files',
        choice(['registry', 'token', 'files']),
      ),
      directory: key('Directory of serve: files', text().prefault('')),
      tls: key(
        'Certificate and key; none is plain HTTP',
        serverTls(
          group({
            cert: key('File of the certificate with its chain (PEM)', text({ min: 1 })),
            key: key('File of its key (PEM)', text({ min: 1 })),
            ca: key('As serverTlsConfig.ca', text().prefault('')),
            clientAuth: key('As serverTlsConfig.clientAuth', choice(['none', 'verify']).prefault('none')),
          }),
        ).optional(),
      ),
      auth: key(
        'Which of auth are taken there, and whose tokens are had there; none of it is nobody known. Absent: all',
        credentialKinds().optional(),
      ),
      rateLimit: key('As rateLimit, in its place for who comes by this listener', rateLimitSchema.optional()),
    }),
  ),
);
