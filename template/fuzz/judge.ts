import { Ajv, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import { unknownFields } from '../../shared/http/json-safety.ts'
import type { Document, Schema } from './operations.ts'
import type { FuzzRequest } from './requests.ts'
import { canary } from './values.ts'

export interface FuzzAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly tookMs: number
}

/** What stands in stack traces and in what PostgreSQL says. */
const insides =
  /\n? {4}at |node_modules|\.ts:\d+|\$bunfs|syntax error at|relation "|violates|invalid input syntax|insert into|select "|ECONNREFUSED/i

/** Says what each dependency says of itself, and the document only that it is open. */
const open: readonly (string | undefined)[] = ['/health']

/** Tells what is wrong with an answer; nothing when it is as the document says. */
export function createJudge({ components }: Document, secrets: readonly string[]) {
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  const compiled = new Map<Schema, ValidateFunction>()
  const problem = components.schemas.Problem

  const offSchema = (schema: Schema, value: unknown, route?: string): string[] => {
    const validate = compiled.get(schema) ?? ajv.compile(schema)
    compiled.set(schema, validate)
    const fits = validate(value) ? [] : [`off its schema: ${ajv.errorsText(validate.errors)}`]
    if (open.includes(route)) return fits
    const unknown = unknownFields(value, schema as Parameters<typeof unknownFields>[1])
    return [...fits, ...unknown.map(({ path }) => `a field that is not documented: ${path}`)]
  }

  const refusal = ({ status, headers, text }: FuzzAnswer): string[] => {
    if (headers.get('content-type') !== 'application/problem+json')
      return ['a refusal that is no problem+json']
    const body = JSON.parse(text) as Record<string, unknown>
    const said = JSON.stringify({ ...body, instance: undefined })
    return [
      ...offSchema(problem, body),
      ...(body.status === status ? [] : ['another status in the body']),
      ...(status === 422 && said.includes(canary) ? ['says a submitted value'] : []),
      ...(insides.test(said) ? ['shows its insides'] : []),
    ]
  }

  return ({ operation }: FuzzRequest, answer: FuzzAnswer): readonly string[] => {
    const { status, headers, text } = answer
    const told = `${text}${JSON.stringify([...headers])}`
    const leaks = secrets.filter((secret) => told.includes(secret)).map(() => 'leaks a planted secret')
    if (status >= 500) return [...leaks, `a status of ${status}`]
    if (!operation.answers.has(status))
      return [...leaks, ...(status < 400 ? [`${status} is not documented`] : refusal(answer))]
    const schema = operation.answers.get(status)
    if (schema) return [...leaks, ...offSchema(schema, JSON.parse(text), operation.path)]
    return status === 204 && text !== '' ? [...leaks, 'a body where none is documented'] : leaks
  }
}
