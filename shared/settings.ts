import { readFileSync } from 'node:fs'
import { type Static, type TObject, type TSchema, Type, TypeGuard } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

/** The process environment: names to values. An empty value counts as unset. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A variable that is missing or wrong. Never carries the value. */
export interface SettingProblem {
  /** The variable's name, for example `SERVICE_PORT`. */
  readonly name: string
  readonly message: string
}

/** Every problem of a configuration at once. A command line ends with exit code 78 (`EX_CONFIG` of sysexits.h). */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly problems: readonly SettingProblem[]

  constructor(problems: readonly SettingProblem[]) {
    const lines = problems.map(({ name, message }) => `  ${name}  ${message}`)
    super(`The configuration is wrong:\n${lines.join('\n')}`)
    this.problems = problems
  }
}

/** What a setting's schema says beside its type. */
export interface SettingOptions {
  /** What the setting means, units included; shown when a required one is missing. */
  readonly description: string
  /** How a wrong value is refused: `must be an integer from 1 to 65535`. */
  readonly expected: string
  /** Masked wherever settings are shown; may come from a file. */
  readonly secret?: true
}

/** The schema of a setting that is a whole number within limits. */
export function count(
  description: string,
  limits: { readonly default?: number; readonly minimum: number; readonly maximum: number },
) {
  const expected = `must be an integer from ${limits.minimum} to ${limits.maximum}`
  return Type.Integer({ ...limits, description, expected } satisfies SettingOptions & typeof limits)
}

/** The schema of one setting, with the options that `readSettings` reads from it. */
export type SettingSchema = TSchema & SettingOptions

export interface ReadSettings<Values> {
  /** The values that are right, keyed like the schema. */
  readonly values: Partial<Values>
  readonly problems: readonly SettingProblem[]
}

/** The variable of a setting: `databaseUrl` with the prefix `SERVICE` is `SERVICE_DATABASE_URL`. */
export function variableName(prefix: string, key: string): string {
  return `${prefix}_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/**
 * Reads settings from the environment as a schema declares them: type, limits, default.
 *
 * A setting marked `secret` may be given as a file instead, `SERVICE_JWT_SECRET_KEY_FILE=/run/secrets/jwt`; one line
 * break at its end is dropped. Lists are separated by commas.
 *
 * @param keys the settings to read: a command is not asked for what it does not use.
 */
export function readSettings<Schema extends TObject, Key extends keyof Static<Schema> & string>(
  schema: Schema,
  { prefix, env, keys }: { prefix: string; env: Environment; keys: readonly Key[] },
): ReadSettings<Pick<Static<Schema>, Key>> {
  const problems: SettingProblem[] = []
  const values: Record<string, unknown> = {}

  for (const key of keys) {
    const property = schema.properties[key] as SettingSchema
    const name = variableName(prefix, key)
    const text = readText(name, property, env)
    if (typeof text === 'object') {
      problems.push({ name: text.name, message: text.message })
      continue
    }
    const value = text === undefined ? property.default : parseText(text, property)
    if (value === undefined) {
      if (!TypeGuard.IsOptional(property))
        problems.push({ name, message: `is required: ${property.description}` })
    } else if (Value.Check(property, value)) {
      values[key] = value
    } else {
      problems.push({ name, message: property.expected })
    }
  }
  return { values: values as Partial<Pick<Static<Schema>, Key>>, problems }
}

/** The settings by variable name, in the schema's order, with every secret masked. */
export function describeSettings(
  schema: TObject,
  { prefix, values }: { prefix: string; values: Readonly<Record<string, unknown>> },
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties).map(([key, property]) => {
      const value = values[key]
      return [
        variableName(prefix, key),
        value === undefined ? null : (property as SettingSchema).secret ? mask(value) : value,
      ]
    }),
  )
}

function readText(
  name: string,
  property: SettingSchema,
  env: Environment,
): string | undefined | SettingProblem {
  const value = env[name] || undefined
  const fileVariable = `${name}_FILE`
  const file = property.secret ? env[fileVariable] || undefined : undefined
  if (file === undefined) return value
  if (value !== undefined) return { name: fileVariable, message: `must not be set together with ${name}` }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '') || undefined
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : 'unreadable'
    return { name: fileVariable, message: `names a file that cannot be read (${reason})` }
  }
}

/** Gives the text back where it does not parse: the schema then refuses it. */
function parseText(text: string, property: SettingSchema): unknown {
  if (TypeGuard.IsInteger(property)) return /^-?\d{1,15}$/.test(text) ? Number(text) : text
  if (TypeGuard.IsNumber(property)) return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
  if (TypeGuard.IsBoolean(property)) return parseBoolean(text)
  if (TypeGuard.IsArray(property)) return text.split(',').map((item) => item.trim())
  return text
}

function parseBoolean(text: string): boolean | string {
  const word = text.toLowerCase()
  if (['true', '1', 'yes', 'on'].includes(word)) return true
  if (['false', '0', 'no', 'off'].includes(word)) return false
  return text
}

/** A URL keeps everything but its password, so that one still sees where a service connects to. */
function mask(value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (!url?.hostname) return '***'
  if (url.password) url.password = '***'
  url.search = ''
  return url.href
}
