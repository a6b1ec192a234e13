/** Files whose cases do not all hold yet: they are run by hand until they do, and are no part of `npm test`. */
export const open: readonly string[] = ['api-compatibility.test.ts']
