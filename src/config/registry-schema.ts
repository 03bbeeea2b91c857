import { cacheOverrides, upstreamOverrides } from './cache-schema.ts';
import { distinctAccounts, keyPair, knownOptions, otherEndpoints, withPassword } from './cross-checks.ts';
import { key } from './key.ts';
import { ownPasswords } from './pass-through-checks.ts';
import { providerNames } from './provider-options.ts';
import {
  alias,
  anyMapping,
  choice,
  choiceInAnyCase,
  choiceOr,
  duration,
  endpoint,
  flag,
  group,
  list,
  providerOptions,
  realm,
  registryHost,
  secretKeys,
  text,
  timeout,
} from './values.ts';

const token = knownOptions(
  group({
    provider: key(
      'Where credentials come from; none is the registry itself',
      choiceInAnyCase(['', ...providerNames]).prefault(''),
    ),
    providerOpts: key(
      "The provider's options: the original's text key=value,… or a mapping",
      providerOptions().prefault(''),
    ),
    expiry: key('How often credentials are renewed, at the least', timeout('1s').prefault('12h')),
    ...secretKeys('static', 'The text behind "Basic ", or a whole Authorization header', 'literal'),
  }),
);

const account = withPassword(
  group({
    user: key('User', text({ min: 1 })),
    ...secretKeys('password', 'Password'),
  }),
);

const auth = distinctAccounts(
  group({
    user: key('User', text().prefault('')),
    ...secretKeys('password', 'Password', 'literal'),
    token: key('Authorization that is not had from the registry itself', token.prefault({})),
    accounts: key('Further accounts, used in turn by remaining quota', list(account).prefault([])),
    trustedRealms: key(
      'Token servers that may be asked, as hosts or origins; none is any',
      list(realm()).prefault([]),
    ),
  }),
);

const tls = keyPair(
  group({
    ca: key('File of certificate authorities (PEM) that are trusted besides the usual', text().prefault('')),
    cert: key("File of the client's certificate (PEM)", text().prefault('')),
    key: key("File of the client's key (PEM)", text().prefault('')),
    insecureSkipVerify: key("Do not check the registry's certificate", flag().prefault(false)),
  }),
);

/** One upstream registry. */
export const registrySchema = ownPasswords(
  otherEndpoints(
    group({
      name: key('Host with its port if it has one, exactly as in image names', registryHost()),
      description: key('For the reader', text().prefault('')),
      scheme: key('https or http', choiceOr('https', ['http']).prefault('https')),
      opts: key('Accepted as in the original', anyMapping().prefault({}), 'accepted'),
      alias: key(
        'Short name: /v2/<alias>/… is this registry, also beside ns; not what its own repositories begin with. A host with a port has no other name that clients take',
        alias().prefault(''),
      ),
      endpoints: key(
        'URLs of mirrors, tried in order before the registry itself',
        list(endpoint()).prefault([]),
      ),
      auth: key('Who we are there; nothing is anonymous', auth.prefault({})),
      authorization: key(
        'By whose right what is cached of it is served: shared (that of auth, for whoever may pull here) or passThrough (each client shows the user and the password that he has there)',
        choice(['shared', 'passThrough']).prefault('shared'),
      ),
      staleGrant: key(
        'With passThrough: for how long after the registry has let him a client is served what is cached while it cannot be asked; 0 is never. Default: 1h',
        duration({ max: '30d' }).optional(),
      ),
      tls: key('Certificates', tls.prefault({})),
      cache: key('Overrides of the top-level group cache', cacheOverrides.prefault({})),
      upstream: key('Overrides of the top-level group upstream', upstreamOverrides.prefault({})),
    }),
  ),
);
