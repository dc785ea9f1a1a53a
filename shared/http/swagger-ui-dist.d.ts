/** What `with { type: 'text' }` gives. */
declare module 'swagger-ui-dist/*' {
  const text: string
  export default text
}
