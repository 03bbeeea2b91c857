import { ofKeysOfAnIssuer, ofSomeKind, oneReading, withPasswords } from './auth-checks.ts';
import { key } from './key.ts';
import {
  clientWithGrants,
  clientWithSecret,
  distinctClients,
  signedWithASecret,
  usersOfGrants,
} from './oauth-checks.ts';
import { choice, duration, flag, group, httpUrl, list, redirectUri, secretKeys, text } from './values.ts';

/** Who clients are, and the tokens that they show. */

/** What of it is taken at a door. */
export const credentialKinds = () => list(choice(['basic', 'tokenService', 'oauth', 'issuers']));

const leastLife = '1m';

const basicSchema = group({
  htpasswdFile: key('File of users and hashes of passwords (bcrypt, argon2id); followed', text({ min: 1 })),
});

const tokenServiceSchema = group({
  issuer: key('iss of its tokens', text({ min: 1 })),
  service: key('aud of its tokens: how registries that believe them call themselves', text({ min: 1 })),
  expiry: key(
    'How long a token is good, 1h at most: registries that believe it ask nobody whether its user is still there',
    duration({ min: leastLife, max: '1h' }).prefault('5m'),
  ),
  ...secretKeys(
    'key',
    'Private key in PEM that signs: of P-256 (ES256), or of RSA (RS256); none is one that is made, and another one each 90 days',
  ),
  certificateFile: key(
    'Certificate of the key with its chain (PEM), sent with each token as x5c',
    text().prefault(''),
  ),
});

const oauthSchema = group({
  clients: key(
    'Programs that may ask for tokens',
    distinctClients(
      list(
        clientWithGrants(
          clientWithSecret(
            group({
              id: key('client_id', text({ min: 1 })),
              ...secretKeys('secret', 'client_secret'),
              public: key(
                'Has it no secret, since it runs where it could keep none, as on a machine of its user?',
                flag().prefault(false),
              ),
              name: key('How users read of it when they sign in; none is its id', text().prefault('')),
              grants: key(
                'How it gets tokens: for itself, or in the name of a user whom it asks for his password (password), sends to the login page (authorization_code) or shows a code (device_code), and without asking him again (refresh_token)',
                list(
                  choice([
                    'client_credentials',
                    'authorization_code',
                    'device_code',
                    'password',
                    'refresh_token',
                  ]),
                ).prefault(['client_credentials']),
              ),
              redirectUris: key(
                'Where users are sent back to from the login page, each in full; one of http://127.0.0.1 or http://[::1] without a port is for all ports',
                list(redirectUri()).prefault([]),
              ),
              scopes: key('Scopes that may be asked for', list(text({ min: 1 })).prefault([])),
            }),
          ),
        ),
      ),
    ),
  ),
  signing: key(
    'How tokens are signed',
    signedWithASecret(
      group({
        algorithm: key(
          'HS256: with a secret that whoever checks them has too; ES256: with the key of the token service, or one that is made',
          choice(['HS256', 'ES256']),
        ),
        ...secretKeys('secret', 'Shared secret of HS256, 32 bytes or more'),
      }),
    ),
  ),
  expiry: key('How long a token is good', duration({ min: leastLife }).prefault('2h')),
});

const issuerSchema = ofKeysOfAnIssuer(
  group({
    issuer: key('iss', text({ min: 1 })),
    audience: key('aud', text({ min: 1 })),
    jwksUrl: key('Where its keys are; none is where its OpenID configuration says', httpUrl().optional()),
    keyFile: key(
      'File of its keys: public keys or certificates in PEM, or a JSON Web Key Set',
      text().prefault(''),
    ),
    realm: key("Where clients get its tokens, by Docker's protocol", httpUrl().optional()),
    algorithms: key(
      'Algorithms that are accepted',
      list(choice(['RS256', 'ES256'])).prefault(['RS256', 'ES256']),
    ),
    tokenType: key(
      'typ of its tokens: at+jwt, those of RFC 9068 alone, or any that an access token may have; one that gives itself away as an ID token is refused',
      choice(['any', 'at+jwt']).prefault('any'),
    ),
    clockSkew: key('How far clocks may differ', duration().prefault('30s')),
    subjectClaim: key('Claim that names the user', text({ min: 1 }).prefault('sub')),
    groupsClaim: key(
      'Claim that lists the groups; dots are members of members, as in realm_access.roles',
      text({ min: 1 }).prefault('groups'),
    ),
  }),
);

export const authSchema = ofSomeKind(
  usersOfGrants(
    withPasswords(
      group({
        basic: key('Users with passwords', basicSchema.optional()),
        tokenService: key(
          'The token service of this server, for docker login: GET and POST /v2/token',
          tokenServiceSchema.optional(),
        ),
        oauth: key(
          'The OAuth2 server for programs: POST /token, and what belongs to it',
          oauthSchema.optional(),
        ),
        issuers: key('Issuers of tokens that are believed', oneReading(list(issuerSchema)).prefault([])),
        atPort: key(
          'Which of these are taken at port, and whose tokens are had there, as auth of listeners says it of theirs; none of it is nobody known. Absent: all',
          credentialKinds().optional(),
        ),
      }),
    ),
  ),
);
