import { type Static, Type } from '@sinclair/typebox'
import { count, type SettingProblem } from '../settings.ts'
import { isOrigin } from './cors.ts'

/** The settings of the HTTP surface, to be spread into a service's own. */
export const webSettings = {
  operationsHost: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'address that the operations port listens on; unset: the same as the HTTP port',
      expected: 'must be an address to listen on',
    }),
  ),
  tlsCertFile: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'certificate chain in PEM, leaf first: the HTTP port speaks TLS; read again when it changes',
      expected: 'must be the path of a file',
    }),
  ),
  tlsKeyFile: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'private key of that certificate, PEM',
      expected: 'must be the path of a file',
    }),
  ),
  hstsSeconds: Type.Optional(
    count('how long browsers insist on HTTPS, seconds; unset: a year under our own TLS, else not said', {
      minimum: 0,
      maximum: 63_072_000,
    }),
  ),
  corsOrigins: Type.Optional(
    Type.Array(Type.String(), {
      description: 'origins whose pages may call, https://app.example.org,…; unset: none',
      expected: 'must be origins such as https://app.example.org, without a path, separated by commas',
    }),
  ),
  docsEnabled: Type.Boolean({
    default: true,
    description: 'whether /docs, /docs/events and their documents answer',
    expected: 'must be true or false',
  }),
  maxUrlBytes: count('longest URL, bytes', { default: 8_192, minimum: 256, maximum: 15_360 }),
  maxBodyBytes: count('largest request body, bytes', {
    default: 1_048_576,
    minimum: 1_024,
    maximum: 104_857_600,
  }),
  bodyTimeoutMs: count('longest that a request body may take to arrive, milliseconds', {
    default: 20_000,
    minimum: 100,
    maximum: 600_000,
  }),
}

type WebSettings = { readonly [Key in keyof typeof webSettings]: Static<(typeof webSettings)[Key]> }
type OptionalKey = 'operationsHost' | 'tlsCertFile' | 'tlsKeyFile' | 'hstsSeconds' | 'corsOrigins'

/** What the HTTP surface needs of a service's configuration. */
export type WebConfig = Omit<WebSettings, OptionalKey> & Partial<Pick<WebSettings, OptionalKey>>

/** What is wrong with these settings beside their form, by variable. */
export function webProblems(
  config: Partial<WebConfig> & { readonly operationsPort?: number },
): SettingProblem[] {
  const { tlsCertFile, tlsKeyFile, corsOrigins, operationsHost, operationsPort } = config
  const problems: SettingProblem[] = []
  const together = 'must be set together with'
  if (tlsCertFile !== undefined && tlsKeyFile === undefined)
    problems.push({ name: 'SERVICE_TLS_KEY_FILE', message: `${together} SERVICE_TLS_CERT_FILE` })
  if (tlsKeyFile !== undefined && tlsCertFile === undefined)
    problems.push({ name: 'SERVICE_TLS_CERT_FILE', message: `${together} SERVICE_TLS_KEY_FILE` })
  if (operationsHost !== undefined && operationsPort === undefined)
    problems.push({ name: 'SERVICE_OPERATIONS_PORT', message: `${together} SERVICE_OPERATIONS_HOST` })
  if (corsOrigins?.some((origin) => !isOrigin(origin)))
    problems.push({ name: 'SERVICE_CORS_ORIGINS', message: webSettings.corsOrigins.expected })
  return problems
}
