/** An AsyncAPI document, as far as we read one ourselves. */
export interface AsyncApiDocument {
  readonly asyncapi: '3.0.0'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly defaultContentType: string
  readonly channels: Readonly<Record<string, AsyncApiChannel>>
  readonly operations: Readonly<Record<string, AsyncApiOperation>>
  readonly components: {
    readonly messages: Readonly<Record<string, AsyncApiMessage>>
    readonly schemas: Readonly<Record<string, object>>
  }
}

export interface Reference {
  readonly $ref: string
}

export interface AsyncApiChannel {
  readonly address: string
  readonly title: string
  readonly description: string
  readonly messages: Readonly<Record<string, Reference>>
  readonly parameters?: Readonly<Record<string, object>>
  readonly bindings: { readonly redis: object }
}

export interface AsyncApiOperation {
  readonly action: 'send' | 'receive'
  readonly channel: Reference
  readonly title: string
  readonly messages: readonly Reference[]
}

export interface AsyncApiMessage {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly headers: Reference
  readonly payload: Reference
  readonly correlationId: { readonly location: string }
  readonly examples?: readonly { readonly name: string; readonly payload: object }[]
}
