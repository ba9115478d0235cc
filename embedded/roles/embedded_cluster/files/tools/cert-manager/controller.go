// Copyright (c) 2026, llmops.maas contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"

	config "github.com/cert-manager/cert-manager/internal/apis/config/controller"
	configscheme "github.com/cert-manager/cert-manager/internal/apis/config/controller/scheme"
	controllers "github.com/cert-manager/cert-manager/internal/apis/config/controller/v1alpha1"
	"github.com/cert-manager/cert-manager/internal/apis/config/controller/validation"
	"github.com/cert-manager/cert-manager/internal/controller/feature"
	"github.com/cert-manager/cert-manager/pkg/acme/accounts"
	configv1alpha1 "github.com/cert-manager/cert-manager/pkg/apis/config/controller/v1alpha1"
	"github.com/cert-manager/cert-manager/pkg/controller"
	gatewayshim "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/gateways"
	"github.com/cert-manager/cert-manager/pkg/healthz"
	dnsutil "github.com/cert-manager/cert-manager/pkg/issuer/acme/dns/util"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/metrics"
	utilfeature "github.com/cert-manager/cert-manager/pkg/util/feature"

	// Each kind of issuer announces itself. The controllers do, too; the defaults above import them all.
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/vault"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/venafi"
)

const shutdownTime = 5 * time.Second

func controllerSettings(flags *pflag.FlagSet) (settings, error) {
	scheme, _, err := configscheme.NewSchemeAndCodecs()
	if err != nil {
		return settings{}, err
	}
	conf := &config.ControllerConfiguration{}
	if err := defaulted(scheme, &configv1alpha1.ControllerConfiguration{}, conf); err != nil {
		return settings{}, err
	}
	commonFlags(flags, &conf.KubeConfig, &conf.Namespace, &conf.MetricsListenAddress, &conf.FeatureGates)
	leaderFlags(flags, &conf.LeaderElectionConfig.LeaderElectionConfig)
	controllerFlags(flags, conf)
	logf.AddFlags(&conf.Logging, flags)
	return settings{
		features: &conf.FeatureGates,
		logging:  &conf.Logging,
		validate: func() field.ErrorList { return validation.ValidateControllerConfiguration(conf, nil) },
		run:      func(ctx context.Context) error { return runController(ctx, conf) },
	}, nil
}

func controllerFlags(flags *pflag.FlagSet, conf *config.ControllerConfiguration) {
	flags.StringVar(&conf.HealthzListenAddress, "internal-healthz-listen-address", conf.HealthzListenAddress,
		"host:port of the probes")
	flags.StringVar(&conf.ClusterResourceNamespace, "cluster-resource-namespace", conf.ClusterResourceNamespace,
		"namespace of the Secrets of ClusterIssuers")
	flags.StringSliceVar(&conf.Controllers, "controllers", conf.Controllers,
		"controllers to run: *, names, and names with - before them for all but these")
	flags.BoolVar(&conf.EnableCertificateOwnerRef, "enable-certificate-owner-ref", conf.EnableCertificateOwnerRef,
		"whether a Secret goes with its Certificate")
	flags.BoolVar(&conf.EnableGatewayAPI, "enable-gateway-api", conf.EnableGatewayAPI,
		"whether Gateways can ask for certificates and answer ACME servers")
	flags.IntVar(&conf.MaxConcurrentChallenges, "max-concurrent-challenges", conf.MaxConcurrentChallenges,
		"how many ACME challenges are worked on at a time")
	shim := &conf.IngressShimConfig
	flags.StringVar(&shim.DefaultIssuerName, "default-issuer-name", shim.DefaultIssuerName, "issuer of Ingresses")
	flags.StringVar(&shim.DefaultIssuerKind, "default-issuer-kind", shim.DefaultIssuerKind, "its kind")
	flags.StringVar(&shim.DefaultIssuerGroup, "default-issuer-group", shim.DefaultIssuerGroup, "its API group")
	flags.StringVar(&conf.ACMEHTTP01Config.SolverImage, "acme-http01-solver-image", conf.ACMEHTTP01Config.SolverImage,
		"image of the Pods that answer ACME servers")
	dns := &conf.ACMEDNS01Config
	flags.StringSliceVar(&dns.RecursiveNameservers, "dns01-recursive-nameservers", dns.RecursiveNameservers,
		"DNS servers (host:port) that are asked whether an ACME record is there")
	flags.BoolVar(&dns.RecursiveNameserversOnly, "dns01-recursive-nameservers-only", dns.RecursiveNameserversOnly,
		"whether no other DNS server is asked")
}

func runController(ctx context.Context, conf *config.ControllerConfiguration) error {
	factory, err := contextFactory(ctx, conf)
	if err != nil {
		return err
	}
	base, err := factory.Build()
	if err != nil {
		return err
	}
	health := healthz.NewServer(conf.LeaderElectionConfig.HealthzTimeout)
	group, ctx := errgroup.WithContext(ctx)
	if err := serve(ctx, group, conf, base, health); err != nil {
		return err
	}
	group.Go(func() error {
		if conf.LeaderElectionConfig.Enabled {
			return lead(ctx, conf, base, health, func(ctx context.Context) error { return work(ctx, conf, factory, base) })
		}
		return work(ctx, conf, factory, base)
	})
	return group.Wait()
}

// serve answers probes and requests for metrics until the context ends.
func serve(
	ctx context.Context, group *errgroup.Group, conf *config.ControllerConfiguration,
	base *controller.Context, health *healthz.Server,
) error {
	probes, err := net.Listen("tcp", conf.HealthzListenAddress)
	if err != nil {
		return err
	}
	group.Go(func() error { return health.Start(ctx, probes) })
	listener, err := net.Listen("tcp", conf.MetricsListenAddress)
	if err != nil {
		return err
	}
	server := base.Metrics.NewServer(listener)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		return server.Shutdown(last)
	})
	return nil
}

// lead does the work while this process holds the Lease, and ends with an error when it has lost it.
func lead(
	ctx context.Context, conf *config.ControllerConfiguration,
	base *controller.Context, health *healthz.Server, work func(context.Context) error,
) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	options := conf.LeaderElectionConfig
	lock, err := resourcelock.New(
		resourcelock.LeasesResourceLock, options.Namespace, "cert-manager-controller",
		base.Client.CoreV1(), base.Client.CoordinationV1(),
		// Replicas may share a host.
		resourcelock.ResourceLockConfig{Identity: fmt.Sprintf("%s-%s", host, uuid.NewUUID()), EventRecorder: base.Recorder},
	)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	candidacy, cancel := context.WithCancel(ctx)
	defer cancel()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   options.LeaseDuration,
		RenewDeadline:   options.RenewDeadline,
		RetryPeriod:     options.RetryPeriod,
		ReleaseOnCancel: true,
		WatchDog:        health.LeaderHealthzAdaptor,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				// Otherwise it ends because the Lease is lost, or the whole process ends.
				if err := work(leading); leading.Err() == nil {
					ended <- err
					cancel()
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	elector.Run(candidacy)
	select {
	case err := <-ended:
		return err
	default:
	}
	if ctx.Err() == nil {
		return errors.New("leader election lost")
	}
	return nil
}

// work runs all enabled controllers until the context ends or one fails.
func work(
	ctx context.Context, conf *config.ControllerConfiguration, factory *controller.ContextFactory, base *controller.Context,
) error {
	group, ctx := errgroup.WithContext(ctx)
	enabled := enabledControllers(conf)
	for name, construct := range controller.Known() {
		if !enabled.Has(name) {
			continue
		}
		made, err := construct(factory)
		if err != nil {
			return fmt.Errorf("controller %s: %w", name, err)
		}
		logf.FromContext(ctx).V(logf.InfoLevel).Info("starting controller", "controller", name)
		group.Go(func() error { return made.Run(conf.NumberOfConcurrentWorkers, ctx) })
	}
	base.SharedInformerFactory.Start(ctx.Done())
	base.KubeSharedInformerFactory.Start(ctx.Done())
	base.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	if usesGateways(conf) {
		base.GWShared.Start(ctx.Done())
	}
	return group.Wait()
}

func usesGateways(conf *config.ControllerConfiguration) bool {
	return conf.EnableGatewayAPI && utilfeature.DefaultFeatureGate.Enabled(feature.ExperimentalGatewayAPISupport)
}

func enabledControllers(conf *config.ControllerConfiguration) sets.Set[string] {
	enabled, disabled := sets.New[string](), sets.New[string]()
	for _, name := range conf.Controllers {
		if left, isOff := strings.CutPrefix(name, "-"); isOff {
			disabled.Insert(left)
		} else {
			enabled.Insert(name)
		}
	}
	// All are meant, too, where only some are named that are not to run.
	if enabled.Has("*") || enabled.Len() == 0 {
		enabled.Insert(controllers.DefaultEnabledControllers...)
	}
	if utilfeature.DefaultFeatureGate.Enabled(feature.ExperimentalCertificateSigningRequestControllers) {
		enabled.Insert(controllers.ExperimentalCertificateSigningRequestControllers...)
	}
	if usesGateways(conf) {
		enabled.Insert(gatewayshim.ControllerName)
	}
	if conf.Namespace != "" {
		enabled.Delete(controllers.ClusterScopedControllers...)
	}
	return enabled.Difference(disabled)
}

func contextFactory(ctx context.Context, conf *config.ControllerConfiguration) (*controller.ContextFactory, error) {
	acme, err := acmeOptions(conf)
	if err != nil {
		return nil, err
	}
	return controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         conf.KubeConfig,
		APIServerHost:      conf.APIServerHost,
		KubernetesAPIQPS:   conf.KubernetesAPIQPS,
		KubernetesAPIBurst: conf.KubernetesAPIBurst,
		Namespace:          conf.Namespace,
		Clock:              clock.RealClock{},
		Metrics:            metrics.New(logf.FromContext(ctx), clock.RealClock{}),
		ACMEOptions:        acme,
		SchedulerOptions:   controller.SchedulerOptions{MaxConcurrentChallenges: conf.MaxConcurrentChallenges},
		ConfigOptions:      controller.ConfigOptions{EnableGatewayAPI: conf.EnableGatewayAPI},
		IngressShimOptions: controller.IngressShimOptions(conf.IngressShimConfig),
		IssuerOptions: controller.IssuerOptions{
			ClusterIssuerAmbientCredentials: conf.ClusterIssuerAmbientCredentials,
			IssuerAmbientCredentials:        conf.IssuerAmbientCredentials,
			ClusterResourceNamespace:        conf.ClusterResourceNamespace,
		},
		CertificateOptions: controller.CertificateOptions{
			EnableOwnerRef:           conf.EnableCertificateOwnerRef,
			CopiedAnnotationPrefixes: conf.CopiedAnnotationPrefixes,
		},
	})
}

func acmeOptions(conf *config.ControllerConfiguration) (controller.ACMEOptions, error) {
	http01, dns01 := conf.ACMEHTTP01Config, conf.ACMEDNS01Config
	options := controller.ACMEOptions{
		ACMEHTTP01SolverRunAsNonRoot: http01.SolverRunAsNonRoot,
		HTTP01SolverImage:            http01.SolverImage,
		HTTP01SolverNameservers:      http01.SolverNameservers,
		DNS01Nameservers:             slices.Clone(dns01.RecursiveNameservers),
		DNS01CheckRetryPeriod:        dns01.CheckRetryPeriod,
		DNS01CheckAuthoritative:      !dns01.RecursiveNameserversOnly,
		AccountRegistry:              accounts.NewDefaultRegistry(),
	}
	if len(options.DNS01Nameservers) == 0 {
		options.DNS01Nameservers = dnsutil.RecursiveNameservers
	}
	for _, part := range []struct {
		quantity *resource.Quantity
		text     string
	}{
		{&options.HTTP01SolverResourceRequestCPU, http01.SolverResourceRequestCPU},
		{&options.HTTP01SolverResourceRequestMemory, http01.SolverResourceRequestMemory},
		{&options.HTTP01SolverResourceLimitsCPU, http01.SolverResourceLimitsCPU},
		{&options.HTTP01SolverResourceLimitsMemory, http01.SolverResourceLimitsMemory},
	} {
		quantity, err := resource.ParseQuantity(part.text)
		if err != nil {
			return options, fmt.Errorf("resources of the ACME solver: %s: %w", part.text, err)
		}
		*part.quantity = quantity
	}
	return options, nil
}
