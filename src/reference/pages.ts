import { jsonSchemaText } from '../config/json-schema.ts';
import { adminPage } from './admin-page.ts';
import { cliPage } from './cli-page.ts';
import { configurationPage } from './configuration-page.ts';
import { errorsPage } from './errors-page.ts';
import { metricsPage } from './metrics-page.ts';

/** What is generated from the code: paths from the root, and what stands there. */
export const pages: Readonly<Record<string, () => string>> = {
  'config/ociregistry.schema.json': jsonSchemaText,
  'docs/reference/configuration.md': configurationPage,
  'docs/reference/admin.md': adminPage,
  'docs/reference/cli.md': cliPage,
  'docs/reference/errors.md': errorsPage,
  'docs/reference/metrics.md': metricsPage,
};
