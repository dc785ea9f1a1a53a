/** As much of JSON Schema as the service's document uses. */
export interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly format?: string
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
}

interface Parameter {
  readonly in: 'path' | 'query' | 'header'
  readonly name: string
  readonly schema: Schema
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>

interface Described {
  readonly parameters?: readonly Parameter[]
  readonly security?: readonly unknown[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>
  readonly components: { readonly schemas: { readonly Problem: Schema } }
}

export interface Operation {
  readonly method: string
  /** With `{name}` for each path parameter. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  /** Asks for a token. */
  readonly isGuarded: boolean
  readonly body: Schema | undefined
  /** What each documented status answers in JSON; undefined where the document says nothing of a body. */
  readonly answers: ReadonlyMap<number, Schema | undefined>
}

/** Every operation that an OpenAPI document names. */
export function readOperations({ paths }: Document): readonly Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], security, requestBody, responses }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      isGuarded: security !== undefined,
      body: requestBody?.content['application/json']?.schema,
      answers: new Map(
        Object.entries(responses)
          .filter(([status]) => status !== 'default')
          .map(([status, { content }]) => [Number(status), content?.['application/json']?.schema]),
      ),
    })),
  )
}
