// Copyright (c) 2026, llmops.maas contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command cert-manager is cert-manager's controller, cainjector and webhook in one program, each a subcommand.
//
// Upstream's own programs are Go modules with a replace directive, which no module proxy can serve. All that they do is
// in the packages of the main module, and only what puts these together is written here. The module's path lies below
// cert-manager's, because some of the packages are internal. Options have upstream's names; of those that its chart
// never sets, only the ones that are needed here are known, and there is no configuration file.
package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cert-manager/cert-manager/internal/apis/config/shared"
	"github.com/cert-manager/cert-manager/internal/cmd/util"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	utilfeature "github.com/cert-manager/cert-manager/pkg/util/feature"
)

// settings are what all parts have in common, pointing into the configuration of one.
type settings struct {
	features *map[string]bool
	logging  *logsapi.LoggingConfiguration
	validate func() field.ErrorList
	run      func(context.Context) error
}

func main() {
	ctx, exit := util.SetupExitHandler(context.Background(), util.GracefulShutdown)
	defer exit()
	logf.InitLogs()
	defer logf.FlushLogs()
	ctrl.SetLogger(logf.Log)

	root := &cobra.Command{Use: "cert-manager", SilenceErrors: true, SilenceUsage: true}
	for name, prepare := range map[string]func(*pflag.FlagSet) (settings, error){
		"controller": controllerSettings,
		"cainjector": cainjectorSettings,
		"webhook":    webhookSettings,
	} {
		command, err := part(name, prepare)
		if err != nil {
			logf.Log.Error(err, "cannot prepare", "part", name)
			util.SetExitCode(err)
			return
		}
		root.AddCommand(command)
	}
	if err := root.ExecuteContext(ctx); err != nil {
		logf.Log.Error(err, "cert-manager ends")
		util.SetExitCode(err)
	}
}

// part is the subcommand of one of cert-manager's programs.
func part(name string, prepare func(*pflag.FlagSet) (settings, error)) (*cobra.Command, error) {
	command := &cobra.Command{Use: name, Args: cobra.NoArgs}
	known, err := prepare(command.Flags())
	if err != nil {
		return nil, err
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(*known.features); err != nil {
			return fmt.Errorf("--feature-gates: %w", err)
		}
		if wrong := known.validate(); len(wrong) > 0 {
			return fmt.Errorf("options of %s: %w", name, wrong.ToAggregate())
		}
		if err := logf.ValidateAndApply(known.logging); err != nil {
			return fmt.Errorf("options of logging: %w", err)
		}
		return known.run(logf.NewContext(command.Context(), logf.Log, name))
	}
	return command, nil
}

// defaulted fills a configuration with upstream's defaults, which belong to its versioned form.
func defaulted(scheme *runtime.Scheme, versioned, internal runtime.Object) error {
	scheme.Default(versioned)
	return scheme.Convert(versioned, internal, nil)
}

// commonFlags are options that controller and cainjector share.
func commonFlags(flags *pflag.FlagSet, kubeconfig, namespace, metrics *string, features *map[string]bool) {
	flags.StringVar(kubeconfig, "kubeconfig", *kubeconfig, "file with the connection to the API server")
	flags.StringVar(namespace, "namespace", *namespace, "the only namespace to look at; empty: all")
	flags.StringVar(metrics, "metrics-listen-address", *metrics, "host:port of the metrics")
	flags.Var(cliflag.NewMapStringBool(features), "feature-gates", "name=true or false, separated by commas")
}

func leaderFlags(flags *pflag.FlagSet, leader *shared.LeaderElectionConfig) {
	flags.BoolVar(&leader.Enabled, "leader-elect", leader.Enabled, "whether one of several replicas works at a time")
	flags.StringVar(&leader.Namespace, "leader-election-namespace", leader.Namespace, "namespace of the Lease")
	flags.DurationVar(&leader.LeaseDuration, "leader-election-lease-duration", leader.LeaseDuration,
		"how long a Lease that is not renewed is respected")
	flags.DurationVar(&leader.RenewDeadline, "leader-election-renew-deadline", leader.RenewDeadline,
		"how long the leader tries to renew its Lease")
	flags.DurationVar(&leader.RetryPeriod, "leader-election-retry-period", leader.RetryPeriod, "pause between tries")
}
