import { parseProxies, webProblems, webSettings } from '@kiln/shared/http'
import { logLevels, readTracingSettings } from '@kiln/shared/observability'
import { resilienceSettings } from '@kiln/shared/resilience'
import { OneOf } from '@kiln/shared/schema'
import { keyProblems, keySettings } from '@kiln/shared/security'
import { eventSettings, inboxWeakness, limitSettings, parseHeldBack, parseShards } from '@kiln/shared/service'
import {
  ConfigurationError,
  count,
  describeSettings,
  type Environment,
  readSettings,
  type SettingProblem,
} from '@kiln/shared/settings'
import { type Static, Type } from '@sinclair/typebox'
import packageJson from '../package.json' with { type: 'json' }

export const logFormats = ['json', 'text'] as const

const secret = { secret: true } as const

/**
 * Every setting of the service, said once: the type, the limits, the default, the variable and its meaning.
 *
 * `databaseUrl` is the variable `SERVICE_DATABASE_URL`. README and `.env.example` list the same variables; a test
 * compares the three.
 */
export const ConfigSchema = Type.Object({
  serviceName: Type.String({
    pattern: '^[a-z][a-z0-9-]{0,62}$',
    default: packageJson.name,
    description: 'service identifier: CloudEvents source, consumer-group prefix, token issuer',
    expected: 'must be 1 to 63 lower-case letters, digits and hyphens, beginning with a letter',
  }),
  debug: Type.Boolean({
    default: false,
    description: 'development mode: embedded servers, development admin, text logs at DEBUG with SQL',
    expected: 'must be true or false',
  }),
  host: Type.String({
    minLength: 1,
    default: '0.0.0.0',
    description: 'address to listen on',
    expected: 'must be an address to listen on',
  }),
  port: port('port to listen on; 0 takes a free one', { default: 8000 }),
  operationsPort: Type.Optional(port('port of /live, /ready, /health and /metrics; unset: the HTTP port')),
  databaseUrl: Type.String({
    pattern: '^postgres(ql)?(\\+\\w+)?://[^/\\s]+/\\S+$',
    ...secret,
    description: 'PostgreSQL, postgres://user:password@host:5432/name',
    expected: 'must look like postgres://user:password@host:5432/name',
  }),
  databasePoolMax: count('connections; a relay has one more', { default: 10, minimum: 1, maximum: 1000 }),
  databaseConnectTimeoutMs: milliseconds('longest wait for a connection', { default: 3_000 }),
  databaseStatementTimeoutMs: milliseconds('longest a statement may run', { default: 10_000 }),
  databasePreparedStatements: Type.Boolean({
    default: true,
    description: 'named prepared statements; off behind a pooler that cannot keep them',
    expected: 'must be true or false',
  }),
  redisUrl: Type.String({
    pattern: '^(memory://|(redis|rediss|redis\\+sentinel|redis\\+cluster)://\\S+)$',
    ...secret,
    description: 'Redis, redis://host:6379/0; also rediss://, redis+sentinel://, redis+cluster://',
    expected: 'must begin with redis://, rediss://, redis+sentinel://, redis+cluster:// or be memory://',
  }),
  redisTimeoutMs: milliseconds('longest wait for a connection and for an answer', { default: 2_000 }),
  singleReplica: Type.Boolean({
    default: false,
    description: 'allows memory:// in production: one replica, a restart loses events',
    expected: 'must be true or false',
  }),
  ...eventSettings,
  ...keySettings,
  ...resilienceSettings,
  ...limitSettings,
  ...webSettings,
  logLevel: OneOf(logLevels, {
    default: 'INFO',
    description: 'lowest level that is logged (any case); development mode: DEBUG',
    expected: `must be one of ${logLevels.join(', ')}`,
  }),
  logFormat: OneOf(logFormats, {
    default: 'json',
    description: '`json`, or `text` for people; development mode: text',
    expected: 'must be json or text',
  }),
  slowQueryMs: threshold('a statement that takes longer is logged as a warning', { default: 500 }),
  slowRequestMs: threshold('a request that takes longer is logged as a warning', { default: 2_000 }),
  drainDelayMs: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 1_000,
    description:
      'how long requests are still served after SIGTERM, while load balancers notice, milliseconds',
    expected: 'must be an integer from 0 to 60000',
  }),
  shutdownTimeoutMs: milliseconds('longest an orderly stop may take', { default: 15_000 }),
})

export type Config = Static<typeof ConfigSchema>
export type ConfigKey = keyof Config

const prefix = 'SERVICE'
const configKeys = Object.keys(ConfigSchema.properties) as ConfigKey[]

/**
 * The configuration, read once from the environment; only the keys a command needs.
 *
 * @throws {ConfigurationError} with every problem, by variable name, without the values.
 */
export function loadConfig<Key extends ConfigKey>(
  env: Environment,
  keys: readonly Key[] = configKeys as Key[],
): Pick<Config, Key> {
  const { values, problems } = readSettings(ConfigSchema, { prefix, env: withAliases(env), keys })
  const config: Partial<Config> = values
  const found = [...problems, ...keyProblems(config, { env, prefix, keys }), ...insecureSettings(config)]
  // Only the whole service records spans.
  if (keys.length === configKeys.length) found.push(...readTracingSettings(env).problems)

  if (config.databaseUrl) config.databaseUrl = config.databaseUrl.replace(/^postgres(ql)?\+\w+:/, 'postgres:')
  if (found.length > 0) throw new ConfigurationError(found)
  return config as Pick<Config, Key>
}

/** The effective values by variable name, secrets masked. */
export function describeConfig(config: Config): Record<string, unknown> {
  return describeSettings(ConfigSchema, { prefix, values: config })
}

/** Levels in any case and by their Python names; what development mode changes, unless it is said. */
function withAliases(env: Environment): Environment {
  const debug = ['true', '1', 'yes', 'on'].includes(env.SERVICE_DEBUG?.toLowerCase() ?? '')
  const level = (env.SERVICE_LOG_LEVEL || (debug ? 'DEBUG' : 'INFO')).toUpperCase()
  const levelNames: Record<string, string> = { WARNING: 'WARN', CRITICAL: 'FATAL' }
  return {
    ...env,
    SERVICE_LOG_LEVEL: levelNames[level] ?? level,
    SERVICE_LOG_FORMAT: env.SERVICE_LOG_FORMAT || (debug ? 'text' : 'json'),
  }
}

function insecureSettings(config: Partial<Config>): SettingProblem[] {
  const problems: SettingProblem[] = webProblems(config)
  if (config.redisUrl === 'memory://' && config.debug === false && config.singleReplica === false) {
    problems.push({
      name: 'SERVICE_REDIS_URL',
      message: 'must not be memory:// outside development mode, unless SERVICE_SINGLE_REPLICA=true',
    })
  }
  if (parseHeldBack(config.eventsPublish) === undefined)
    problems.push({ name: 'SERVICE_EVENTS_PUBLISH', message: eventSettings.eventsPublish.expected })
  const forgets = inboxWeakness(config)
  if (forgets) problems.push({ name: 'SERVICE_EVENTS_INBOX_DAYS', message: forgets })
  if (parseProxies(config.trustedProxies) === undefined)
    problems.push({ name: 'SERVICE_TRUSTED_PROXIES', message: limitSettings.trustedProxies.expected })
  if (parseShards(config.eventsShards) === undefined)
    problems.push({ name: 'SERVICE_EVENTS_SHARDS', message: eventSettings.eventsShards.expected })
  return problems
}

function port(description: string, options: { default?: number } = {}) {
  const expected = 'must be an integer from 0 to 65535'
  return Type.Integer({ minimum: 0, maximum: 65_535, ...options, description, expected })
}

function milliseconds(description: string, { default: defaultMs }: { default: number }) {
  return count(`${description}, milliseconds`, { default: defaultMs, minimum: 1, maximum: 600_000 })
}

function threshold(description: string, { default: defaultMs }: { default: number }) {
  const limits = { default: defaultMs, minimum: 0, maximum: 600_000 }
  return count(`${description}, milliseconds; 0: none is`, limits)
}
