"""What chart users reach for around pods: Services, autoscalers, certificates and monitors."""

from __future__ import annotations

from tests.unit.chart.rendering import component_of, of_kind, only, pods, rendered


def test_a_service_can_have_certain_ports_of_nodes_and_families_of_addresses() -> None:
    given = "components.gateway.service"
    objects = rendered(
        "minimal",
        f"{given}.type=NodePort",
        f"{given}.nodePorts.grpc=30760",
        f"{given}.internalTrafficPolicy=Local",
        f"{given}.ipFamilyPolicy=PreferDualStack",
        f"{given}.ipFamilies[0]=IPv6",
        f"{given}.ipFamilies[1]=IPv4",
    )
    services = [each["spec"] for each in of_kind(objects, "Service") if component_of(each) == "gateway"]
    called = next(spec for spec in services if spec.get("clusterIP") != "None")
    assert (called["type"], called["ports"][0]["nodePort"]) == ("NodePort", 30760)
    assert called["internalTrafficPolicy"] == "Local"
    assert (called["ipFamilyPolicy"], called["ipFamilies"]) == ("PreferDualStack", ["IPv6", "IPv4"])
    assert all("nodePort" not in port for spec in services if spec is not called for port in spec["ports"])


def test_an_autoscaler_can_be_paused_and_fall_back() -> None:
    given = "components.crawler.autoscaling"
    scaled = only(
        rendered(
            "production",
            f"{given}.annotations.paused=yes",
            f"{given}.fallback.failureThreshold=3",
            f"{given}.fallback.replicas=6",
        ),
        "ScaledObject",
        "crawler",
    )
    assert scaled["metadata"]["annotations"] == {"paused": "yes"}
    assert scaled["spec"]["fallback"] == {"failureThreshold": 3, "replicas": 6}
    by_cpu = rendered("production", "components.explorer.autoscaling.annotations.paused=yes")
    explorer = only(by_cpu, "HorizontalPodAutoscaler", "explorer")
    assert explorer["metadata"]["annotations"]["paused"] == "yes"


def test_a_new_pod_can_be_made_to_prove_itself_and_a_service_to_have_a_token() -> None:
    objects = rendered(
        "minimal",
        "components.explorer.minReadySeconds=20",
        "components.explorer.serviceAccount.automount=true",
    )
    tokens = {
        component_of(pod.owner) for pod in pods(objects) if pod.spec["automountServiceAccountToken"] is True
    }
    assert tokens == {"explorer"}
    assert only(objects, "ServiceAccount", "explorer")["automountServiceAccountToken"] is True
    assert only(objects, "Deployment", "explorer")["spec"]["minReadySeconds"] == 20
    assert "minReadySeconds" not in only(objects, "StatefulSet", "crawler")["spec"]


def test_a_certificate_can_have_another_key_and_be_renewed_earlier() -> None:
    given = "tls.certManager"
    objects = rendered("production", f"{given}.privateKey.algorithm=ECDSA", f"{given}.renewBefore=720h")
    spec = only(objects, "Certificate", "gateway")["spec"]
    assert (spec["privateKey"], spec["renewBefore"]) == ({"algorithm": "ECDSA"}, "720h")


def test_monitors_can_relabel_further() -> None:
    given = "monitoring.podMonitor"
    objects = rendered(
        "production",
        f"{given}.relabelings[0].targetLabel=cluster",
        f"{given}.relabelings[0].replacement=one",
        f"{given}.metricRelabelings[0].action=drop",
        f"{given}.metricRelabelings[0].regex=python_.*",
    )
    monitors = of_kind(objects, "PodMonitor")
    assert len(monitors) == 2
    for monitor in monitors:
        endpoint = monitor["spec"]["podMetricsEndpoints"][0]
        assert endpoint["relabelings"][-1] == {"targetLabel": "cluster", "replacement": "one"}
        assert endpoint["metricRelabelings"] == [{"action": "drop", "regex": "python_.*"}]
