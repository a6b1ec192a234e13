// Command gateway-plugin splits a canary's traffic for Argo Rollouts: it writes the weights of the stable and the canary
// Service into HTTPRoutes. It takes the configuration of argoproj-labs/gatewayAPI, whose module no Go proxy serves, and
// stands in for it in test clusters.
package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
	"github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

// The name by which Rollouts choose the plugin.
const name = "argoproj-labs/gatewayAPI"

var httpRoutes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

// configuration is what a Rollout says below trafficRouting.plugins.
type configuration struct {
	Namespace  string `json:"namespace"`
	HTTPRoutes []struct {
		Name string `json:"name"`
	} `json:"httpRoutes"`
}

type router struct {
	client dynamic.Interface
}

func (r *router) InitPlugin() types.RpcError {
	config, err := rest.InClusterConfig()
	if err == nil {
		r.client, err = dynamic.NewForConfig(config)
	}
	return failure(err)
}

func (r *router) SetWeight(rollout *v1alpha1.Rollout, weight int32, _ []v1alpha1.WeightDestination) types.RpcError {
	config, err := read(rollout)
	if err != nil {
		return failure(err)
	}
	canary := rollout.Spec.Strategy.Canary
	weights := map[string]int64{canary.StableService: int64(100 - weight), canary.CanaryService: int64(weight)}
	for _, route := range config.HTTPRoutes {
		if err := r.write(config.Namespace, route.Name, weights); err != nil {
			return failure(fmt.Errorf("HTTPRoute %s/%s: %w", config.Namespace, route.Name, err))
		}
	}
	return types.RpcError{}
}

func read(rollout *v1alpha1.Rollout) (configuration, error) {
	var config configuration
	if err := json.Unmarshal(rollout.Spec.Strategy.Canary.TrafficRouting.Plugins[name], &config); err != nil {
		return config, fmt.Errorf("trafficRouting.plugins.%s: %w", name, err)
	}
	if config.Namespace == "" {
		config.Namespace = rollout.Namespace
	}
	return config, nil
}

// write changes the route again from what it is then, where somebody else changed it in between.
func (r *router) write(namespace, route string, weights map[string]int64) error {
	ctx := context.Background()
	client := r.client.Resource(httpRoutes).Namespace(namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		object, err := client.Get(ctx, route, metav1.GetOptions{})
		if err != nil {
			return err
		}
		changed, err := setWeights(object, weights)
		if err != nil || !changed {
			return err
		}
		_, err = client.Update(ctx, object, metav1.UpdateOptions{FieldManager: "argo-rollouts"})
		return err
	})
}

// setWeights changes every backend that is one of the two Services and says whether any was different. A rule with only one of
// them cannot split anything: at the last step it would be left with no weight at all.
func setWeights(route *unstructured.Unstructured, weights map[string]int64) (bool, error) {
	rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
	if err != nil {
		return false, err
	}
	found, changed := false, false
	for index, rule := range rules {
		ofRule := 0
		backends, _ := rule.(map[string]any)["backendRefs"].([]any)
		for _, backend := range backends {
			fields := backend.(map[string]any)
			weight, ours := weights[fmt.Sprint(fields["name"])]
			if !ours {
				continue
			}
			found = true
			ofRule++
			changed = changed || fields["weight"] != weight
			fields["weight"] = weight
		}
		if ofRule == 1 {
			return false, fmt.Errorf("rule %d names one of the stable and the canary Service, not both", index)
		}
	}
	if !found {
		return false, fmt.Errorf("no rule names the stable or the canary Service")
	}
	return changed, unstructured.SetNestedSlice(route.Object, rules, "spec", "rules")
}

func failure(err error) types.RpcError {
	if err == nil {
		return types.RpcError{}
	}
	return types.RpcError{ErrorString: err.Error()}
}

func (r *router) UpdateHash(*v1alpha1.Rollout, string, string, []v1alpha1.WeightDestination) types.RpcError {
	return types.RpcError{}
}

func (r *router) SetHeaderRoute(*v1alpha1.Rollout, *v1alpha1.SetHeaderRoute) types.RpcError {
	return types.RpcError{ErrorString: "this plugin has no header routes"}
}

func (r *router) SetMirrorRoute(*v1alpha1.Rollout, *v1alpha1.SetMirrorRoute) types.RpcError {
	return types.RpcError{ErrorString: "this plugin has no mirror routes"}
}

// VerifyWeight leaves the proof to what measures the traffic itself.
func (r *router) VerifyWeight(*v1alpha1.Rollout, int32, []v1alpha1.WeightDestination) (types.RpcVerified, types.RpcError) {
	return types.NotImplemented, types.RpcError{}
}

func (r *router) RemoveManagedRoutes(*v1alpha1.Rollout) types.RpcError { return types.RpcError{} }

func (r *router) Type() string { return name }

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: "trafficrouter",
		},
		Plugins: map[string]plugin.Plugin{"RpcTrafficRouterPlugin": &rpc.RpcTrafficRouterPlugin{Impl: &router{}}},
	})
}
