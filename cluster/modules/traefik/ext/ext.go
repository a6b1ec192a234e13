// Package ext stands for the empty extension points of Traefik's dynamic configuration: a module of its own in Traefik's
// repository, which no Go proxy serves.
package ext

// HTTP extends nothing.
type HTTP struct{}

// DeepCopyInto copies nothing.
func (in *HTTP) DeepCopyInto(out *HTTP) { *out = *in }

// Router extends nothing.
type Router struct{}

// DeepCopyInto copies nothing.
func (in *Router) DeepCopyInto(out *Router) { *out = *in }
