import { azure } from './azure.ts';
import { dockerConfig } from './docker-config-credentials.ts';
import { ecr } from './ecr.ts';
import { ecrPublic } from './ecr-public.ts';
import { exec } from './exec.ts';
import { file } from './file.ts';
import { gcp } from './gcp.ts';

/** All sources of credentials that can be configured. None loads a client or an SDK before it is asked. */
export const providers = [ecr, ecrPublic, gcp, azure, exec, dockerConfig, file] as const;
