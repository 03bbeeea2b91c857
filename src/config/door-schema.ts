import * as z from 'zod';
import { must } from '../values/complaint.ts';
import { credentialKinds } from './auth-schema.ts';
import { hostedNames, ofAUser, serverTls, withDirectory, withPassword } from './cross-checks.ts';
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

const actions = () =>
  list(
    z.enum(['pull', 'push', 'delete'], {
      error: ({ input }) =>
        input === 'admin'
          ? 'must be pull, push or delete: who may administer says the key admin, which is no matter of repositories'
          : must('pull, push or delete')({ input }),
    }),
  );
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

const issuer = () =>
  key('Whose tokens say so; needed where auth.issuers has more than one', text({ min: 1 }).optional());
/** No longer one is read of a token. */
const name = () => text({ min: 1 }).max(255, { error: 'must not be longer than 255 characters' });
const claims = z
  .record(
    z.string(),
    z.union([text({ min: 1 }), z.number(), z.boolean()], { error: must('text, a number, true or false') }),
    {
      error: 'must be a mapping of claims to their values',
    },
  )
  .refine((value) => Object.keys(value).length > 0, { error: 'must have a claim' });

const who = z.union(
  [
    z.literal('anyone'),
    z.literal('anonymous'),
    group({ user: key('User of auth.basic', text({ min: 1 })) }),
    group({ client: key('Program of auth.oauth, by its id', text({ min: 1 })) }),
    group({ issuer: issuer(), subject: key('User as an issuer of auth.issuers calls him', name()) }),
    group({ issuer: issuer(), group: key('Group, likewise', name()) }),
    group({ issuer: issuer(), claim: key('Claims of its tokens with their values: all of them', claims) }),
    group({ issuer: key('Issuer of auth.issuers: whoever has a token of his', text({ min: 1 })) }),
    group({ certificate: key('Glob of names in the certificates of clients', pattern()) }),
    group({ cidr: key('Block of addresses', addressBlock()) }),
  ],
  {
    error:
      'must be anyone, anonymous, or a mapping with one of user, client, subject, group, claim, issuer (beside these three, where there are several), certificate and cidr',
  },
);

export const accessSchema = list(
  group({
    name: key('Name of the rule, for the log and whoever is denied', text({ min: 1 })),
    who: key(
      'Whom it is about: anyone, anonymous, or one of user, client, subject, group, claim, issuer, certificate and cidr',
      who,
    ),
    repositories: key('Globs of names; what lives here has no host', repositories()),
    actions: key('What they may do there: pull, push, delete; none is nothing', actions()),
  }),
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
