#!/usr/bin/env bash
# Registers leavebridge in Entra with the Azure CLI: step 1, step 2 and, for way A, step 3 of steps.md.
#
#   ./setup-az.sh A     consents to {{calendars}} for the whole directory
#   ./setup-az.sh B     consents to nothing, and checks that nobody has: rbac.ps1 then limits the app to a group
#
# It may be run again: it uses the app that is there. It never prints the secret, and never overwrites its file.
#
#   CLIENT_ID      the app, if you have one; else it is looked for by APP_NAME, and registered when there is none
#   SECRET_FILE    where the new secret goes; empty for none (certificate, workload identity)
set -euo pipefail

WAY="${1:-}"
DIRECTORY_ID="${DIRECTORY_ID:-{{sh_directory_id}}}"
CLIENT_ID="${CLIENT_ID:-{{sh_client_id}}}"
APP_NAME="${APP_NAME:-leavebridge}"
SECRET_FILE="${SECRET_FILE-{{script_secret_file}}}"
GRAPH='{{graph}}'
GRAPH_APP='{{graph_app}}'
CALENDARS='{{calendars_role}}'
EWS='{{ews_role}}'

fail() {
    echo "setup-az.sh: $*" >&2
    exit 1
}

# Entra tells its own servers about a new object in its own time.
patiently() {
    local tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 12 ] || fail "this does not succeed: $*"
        sleep 10
    done
}

case "$WAY" in
A | B) ;;
*) fail "say which way: A (the whole directory) or B (one group; no consent in Entra)" ;;
esac
[ -n "$DIRECTORY_ID" ] || fail "set DIRECTORY_ID to the Directory (tenant) ID"
if [ -n "$SECRET_FILE" ] && [ -e "$SECRET_FILE" ]; then
    fail "$SECRET_FILE is there already. Move it away for a new secret, or set SECRET_FILE= to keep the one you have"
fi

[ "$(az cloud show --query name --output tsv)" = {{az_cloud}} ] || az cloud set --name {{az_cloud}}
az login --tenant "$DIRECTORY_ID" --allow-no-subscriptions --output none

# Step 1: register the app.
if [ -z "$CLIENT_ID" ]; then
    CLIENT_ID="$(az ad app list --filter "displayName eq '$APP_NAME'" --query '[].appId' --output tsv)"
    case "$CLIENT_ID" in
    *$'\n'*) fail "several apps are called $APP_NAME: set CLIENT_ID to the right one" ;;
    esac
fi
if [ -z "$CLIENT_ID" ]; then
    CLIENT_ID="$(az ad app create --display-name "$APP_NAME" --sign-in-audience AzureADMyOrg --query appId --output tsv)"
fi
if ! az ad sp show --id "$CLIENT_ID" --output none 2>/dev/null; then
    patiently az ad sp create --id "$CLIENT_ID" --output none
fi
SERVICE_PRINCIPAL_ID="$(az ad sp show --id "$CLIENT_ID" --query id --output tsv)"

# The role assignments that this app holds of that role.
granted() {
    az rest --method GET --resource "$GRAPH" \
        --url "$GRAPH/v1.0/servicePrincipals/$SERVICE_PRINCIPAL_ID/appRoleAssignments" \
        --query "value[?appRoleId=='$1'].id" --output tsv
}

# Step 3: decide which calendars it may write to.
TENANT_WIDE="$(granted "$CALENDARS")"
if [ "$WAY" = A ] && [ -z "$TENANT_WIDE" ]; then
    # Where it asks for it already it would ask twice.
    ASKED="$(az ad app show --id "$CLIENT_ID" \
        --query "requiredResourceAccess[].resourceAccess[?id=='$CALENDARS'][].id" --output tsv)"
    [ -n "$ASKED" ] ||
        az ad app permission add --id "$CLIENT_ID" --api "$GRAPH_APP" --api-permissions "$CALENDARS=Role" --output none
    # This one right. `az ad app permission admin-consent` would grant all that the app still asks for, EWS included.
    GRAPH_PRINCIPAL_ID="$(az ad sp show --id "$GRAPH_APP" --query id --output tsv)"
    patiently az rest --method POST --resource "$GRAPH" \
        --url "$GRAPH/v1.0/servicePrincipals/$SERVICE_PRINCIPAL_ID/appRoleAssignments" \
        --headers 'Content-Type=application/json' --output none \
        --body "{\"principalId\":\"$SERVICE_PRINCIPAL_ID\",\"resourceId\":\"$GRAPH_PRINCIPAL_ID\",\"appRoleId\":\"$CALENDARS\"}"
elif [ "$WAY" = B ] && [ -n "$TENANT_WIDE" ]; then
    fail "{{calendars}} is granted for the whole directory, which defeats way B. Revoke it under API permissions"
fi

# Step 2: give it a credential.
EXPIRES=''
if [ -n "$SECRET_FILE" ]; then
    # Written straight into a file that only you can read; --append keeps the secrets that are in use.
    (
        umask 077
        az ad app credential reset --id "$CLIENT_ID" --append --display-name leavebridge --years 1 \
            --query password --output tsv >"$SECRET_FILE"
    ) || {
        rm -f "$SECRET_FILE"
        fail "no secret could be made"
    }
    EXPIRES="$(az ad app credential list --id "$CLIENT_ID" --query 'sort_by(@, &startDateTime)[-1].endDateTime' --output tsv)"
fi

# Step 6: leave EWS behind.
if [ -n "$(granted "$EWS")" ]; then
    echo 'Still granted: full_access_as_app (EWS). Take it away once nothing else uses it:' >&2
    echo "  ./setup-graph.ps1 -Way $WAY -ClientId $CLIENT_ID -SecretFile '' -RemoveEws" >&2
fi

echo "directory_id = \"$DIRECTORY_ID\""
echo "client_id = \"$CLIENT_ID\""
[ -z "$SECRET_FILE" ] || echo "client_secret_file = \"$SECRET_FILE\"    # move it to where leavebridge reads it"
[ -z "$EXPIRES" ] || echo "secret_expires = \"${EXPIRES%%T*}\""
echo "# service principal: $SERVICE_PRINCIPAL_ID"
if [ "$WAY" = B ]; then
    echo "# now: ./rbac.ps1 -ClientId $CLIENT_ID -ServicePrincipalId $SERVICE_PRINCIPAL_ID"
fi
