/** The parts of an OpenAPI document that are looked at here. */
export interface OpenApiDocument {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Record<string, unknown>>
  [field: string]: unknown
}

interface Schema {
  type?: string
  format?: string
  default?: unknown
  anyOf?: Schema[]
}

interface Parameter {
  required?: boolean
  schema?: Schema
}

interface Operation {
  parameters?: Parameter[]
  responses?: Record<string, { description?: string; content?: unknown }>
  requestBody?: { content?: Record<string, unknown> }
  security?: unknown[]
  [field: string]: unknown
}

const reasons: Readonly<Record<string, string>> = {
  200: 'Done',
  201: 'Created',
  204: 'Done, nothing to say',
  503: 'Not available',
}

/**
 * Makes the plugin's document valid OpenAPI 3.1, and says what it leaves out: how errors are answered.
 *
 * The plugin says 3.0.3, yet emits JSON Schema 2020-12 (`const`, `type: null`, numeric `exclusiveMinimum`), which 3.1 is
 * made for; its responses lack the required description, and its bodies name media types that are refused here.
 *
 * @see https://spec.openapis.org/oas/v3.1.0
 */
export function repairOpenApi(value: unknown): OpenApiDocument {
  const document = JSON.parse(JSON.stringify(value)) as OpenApiDocument
  document.openapi = '3.1.0'
  document.components = {
    ...document.components,
    schemas: { ...document.components.schemas, Problem: problemSchema },
    responses: { Problem: problemResponse },
  }
  for (const operations of Object.values(document.paths)) {
    for (const operation of Object.values(operations)) repairOperation(operation)
  }
  return document
}

function repairOperation(operation: Operation): void {
  const responses = Object.entries(operation.responses ?? {}).map(([status, { description, content }]) => [
    status,
    { description: description || (reasons[status] ?? 'Answer'), ...(content !== undefined && { content }) },
  ])
  operation.responses = {
    ...Object.fromEntries(responses),
    default: { $ref: '#/components/responses/Problem' },
  }
  for (const parameter of operation.parameters ?? []) repairParameter(parameter)
  const json = operation.requestBody?.content?.['application/json']
  if (operation.requestBody && json) operation.requestBody.content = { 'application/json': json }
}

/** The plugin shows what has a default as required. */
function repairParameter(parameter: Parameter): void {
  const { schema } = parameter
  if (schema?.default !== undefined) parameter.required = false
}

const problemSchema = {
  type: 'object',
  description: 'RFC 9457 problem details',
  required: ['type', 'title', 'status', 'code', 'detail', 'instance', 'correlation_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'stable; switch on it' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    correlation_id: { type: ['string', 'null'] },
    errors: {
      type: 'array',
      description: 'the fields at fault, by JSON Pointer',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: { path: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
} as const

const problemResponse = {
  description: 'What went wrong',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
} as const
