import type * as z from 'zod';
import { aboutSomebody, matchingGlobs } from './access-checks.ts';
import { knownAtDoors, reachableTokenService } from './auth-checks.ts';
import { authSchema } from './auth-schema.ts';
import { cacheSchema, upstreamSchema } from './cache-schema.ts';
import {
  distinctPorts,
  distinctRegistries,
  oneSpelling,
  pruningOfSomething,
  reachableHosted,
  serverTls,
} from './cross-checks.ts';
import {
  accessSchema,
  adminSchema,
  hostedSchema,
  listenersSchema,
  policySchema,
  rateLimitSchema,
} from './door-schema.ts';
import { key } from './key.ts';
import { catalogSyncSchema, notificationsSchema } from './notification-schema.ts';
import { reachableSignIn } from './oauth-checks.ts';
import { oneMeaningOfPasswords } from './pass-through-checks.ts';
import { registrySchema } from './registry-schema.ts';
import type { Secret } from './secret.ts';
import { storageSchema } from './storage-schema.ts';
import {
  addressBlock,
  baseUrlOrNone,
  bindAddress,
  choice,
  choiceInAnyCase,
  choiceOr,
  duration,
  flag,
  group,
  list,
  millisecondsOrDuration,
  port,
  registryHostOrNone,
  regularExpressions,
  text,
  timeout,
  whole,
  wholeOrAuto,
} from './values.ts';

const pruneSchema = pruningOfSomething(
  oneSpelling(
    group({
      enabled: key('Remove images in the background', flag().prefault(false)),
      type: key(
        'Which: not pulled for the duration (accessed), cached before it (created), or by pattern',
        choice(['accessed', 'created', 'pattern']).prefault('accessed'),
      ),
      duration: key('How old is old', duration().prefault('30d')),
      frequency: key('How often', duration({ min: '1s' }).prefault('5h')),
      count: key(
        'The most images to remove at a time; 0 is no limit',
        whole(0, Number.MAX_SAFE_INTEGER).prefault(0),
      ),
      expr: key(
        'Regular expressions of type: pattern, separated by commas',
        regularExpressions().prefault(''),
      ),
      dryRun: key('Only say in the log what would be removed', flag().optional()),
      dryrun: key('The same as dryRun', flag().optional()),
    }),
  ),
);

const listSchema = group({
  header: key('Print a header', flag().prefault(false)),
  expr: key('Only what one of these regular expressions matches, separated by commas', text().prefault('')),
  shortDigest: key('Print short digests', flag().prefault(false)),
});

const serverTlsSchema = serverTls(
  group({
    cert: key("File of the server's certificate (PEM); none is plain HTTP", text().prefault('')),
    key: key("File of the server's key (PEM)", text().prefault('')),
    ca: key(
      "File of certificate authorities (PEM), one of which must have signed a client's certificate",
      text().prefault(''),
    ),
    clientAuth: key(
      'Whether clients need a certificate: none or verify',
      choiceOr('none', ['verify']).prefault('none'),
    ),
  }),
);

const serverSchema = group({
  drainTimeout: key('How long requests under way may take at the end', timeout('0s').prefault('60s')),
  shutdownDelay: key(
    'How long to serve on after the signal, while /readyz says 503',
    timeout('0s').prefault('0s'),
  ),
  maxConnections: key(
    'Connections at a time; fewer where the process may not open two files for each',
    whole(1, 1_000_000).prefault(10_000),
  ),
  workers: key('Processes', wholeOrAuto(1, 1024).prefault(1), 'ignored'),
});

/** Every key there is. First those of Ociregistry 1.17, under their own names, then the groups that are new. */
const everyKey = group({
  imagePath: key('Directory of the cache', text({ min: 1 }).prefault('/var/lib/ociregistry')),
  logLevel: key(
    'debug, info, warn or error',
    choiceInAnyCase(['debug', 'info', 'warn', 'error']).prefault('error'),
  ),
  configFile: key(
    'Path of the configuration file; it has no effect in the file itself',
    text().prefault(''),
    'accepted',
  ),
  logFile: key('File to append the log to; none is standard error', text().prefault('')),
  host: key('Address to listen on; "::" is both families', bindAddress().prefault('0.0.0.0')),
  port: key('Port to listen on; 0 is any', port().prefault(8080)),
  health: key('Port of /health, /livez and /readyz; 0 is none', port().prefault(0)),
  metrics: key('Port of /metrics; 0 is none', port().prefault(0)),
  os: key(
    'Operating system of the images to load, of an index; none is all, or with arch that of this machine',
    text().prefault(''),
  ),
  arch: key(
    'Architecture of the images to load, of an index; none is all, or with os that of this machine',
    text().prefault(''),
  ),
  pullTimeout: key(
    "Milliseconds until upstream's headers; of a manifest or a list, until its end",
    millisecondsOrDuration().prefault(60_000),
  ),
  defaultNs: key('Registry of names without a host', registryHostOrNone().prefault('')),
  alwaysPullLatest: key('Ask upstream each time for the tag latest', flag().prefault(false)),
  airGapped: key('Serve what is cached and never ask upstream', flag().prefault(false)),
  helloWorld: key('Serve a built-in hello-world image only', flag().prefault(false), 'ignored'),
  preloadImages: key('Files of images to load when the server starts, while it serves', text().prefault('')),
  imageFile: key(
    'Files of images to load, with commas between them: lists of names, Kubernetes manifests, folders of them, tars, OCI layouts, patterns; - is standard input',
    text().prefault(''),
  ),
  resolveRef: key(
    'The name of the image in imageFile, a tar of one image, whatever it is called there',
    text().prefault(''),
  ),
  pruneConfig: key('Removing what is old', pruneSchema.prefault({})),
  listConfig: key('Listing what is cached', listSchema.prefault({})),
  serverTlsConfig: key('TLS of this server', serverTlsSchema.prefault({})),
  registries: key('Upstream registries', distinctRegistries(list(registrySchema)).prefault([])),

  publicUrl: key('URL of this server as clients see it, for links and realms', baseUrlOrNone().prefault('')),
  trustedProxies: key(
    'Address blocks of proxies that are believed whom they stand before (X-Forwarded-For)',
    list(addressBlock()).prefault([]),
  ),
  unknownRegistries: key(
    'Which registries may be asked besides those under registries: public, none or any',
    choice(['public', 'none', 'any']).prefault('public'),
  ),
  cache: key('How registries are cached, unless they say otherwise', cacheSchema.prefault({})),
  upstream: key('How registries are talked to, unless they say otherwise', upstreamSchema.prefault({})),
  server: key('Connections and the end of the server', serverSchema.prefault({})),
  logFormat: key(
    'auto, json or pretty; auto is pretty on a terminal',
    choice(['auto', 'json', 'pretty']).prefault('auto'),
  ),

  admin: key('Credential of the admin calls; none is this machine alone', adminSchema.prefault({})),
  auth: key('Who clients are; absent: nobody is asked', authSchema.optional()),
  access: key(
    'Who may pull, push and delete where: the first rule that is about him and the repository; what none is about is denied. Absent: anyone pulls',
    accessSchema.optional(),
  ),
  policy: key(
    'What may pass at all, for whomever, cached or not: the first rule that matches; what none matches passes',
    policySchema.prefault([]),
  ),
  rateLimit: key('How often clients may ask', rateLimitSchema.optional()),
  hosted: key('Repositories that live here: the first entry that matches counts', hostedSchema.prefault([])),
  listeners: key('Further doors of the same server', listenersSchema.prefault([])),
  notifications: key('Events, out and in', notificationsSchema.prefault({})),
  catalogSync: key('Keeping cached repositories in step with their registries', catalogSyncSchema.optional()),
  storage: key('Where things are kept', storageSchema.prefault({})),
});

export const configSchema = aboutSomebody(
  matchingGlobs(
    oneMeaningOfPasswords(
      knownAtDoors(reachableSignIn(reachableTokenService(reachableHosted(distinctPorts(everyKey))))),
    ),
  ),
);

type ReadonlyDeep<T> = T extends Secret | string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly ReadonlyDeep<Item>[]
    : T extends object
      ? { readonly [K in keyof T]: ReadonlyDeep<T[K]> }
      : T;

/** The YAML's names and shape, with defaults; durations are milliseconds, sizes bytes, secrets `Secret`. */
export type Config = ReadonlyDeep<z.output<typeof configSchema>>;
export type RegistryConfig = Config['registries'][number];
/** As it stands in a file. */
export type ConfigInput = z.input<typeof configSchema>;
